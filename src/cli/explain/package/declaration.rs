//! A waiver, an attestation or a provider's document: whose word it is, for how long, and what became of it.

use super::words;
use crate::{
    cli::text::Page,
    period::model::{ClusterPeriod, DeclarationPeriod},
    report::view::words as report,
};

pub(super) fn describe(cluster: &ClusterPeriod, said: &DeclarationPeriod, page: &mut Page) {
    let form = said.form.as_deref().map_or_else(String::new, |form| format!(", {form}"));
    page.heading(&format!("{}: {}{form}", said.id, report::declaration(&said.kind)));
    page.say("Cluster", &cluster.folder);
    page.say("By", &format!("{}, as written: nobody verified the identity", said.by));
    page.say("Days", &report::days(said.since, said.until));
    page.say("About", &said.about.join(", "));
    page.say("Says", &said.text);
    page.say("Ticket", said.ticket.as_deref().unwrap_or_default());
    page.gap();
    let states =
        said.states.iter().map(|span| format!("{} on {}", span.state, words::runs(cluster, span.first, span.last)));
    page.items("Was", states);
    page.items("Applies to", said.applies_to.iter().filter(|_| said.kind != "waiver"));
    page.items("Under it", cluster.waived_by(&said.id).iter().filter(|_| said.kind == "waiver"));
    page.items(
        "Files",
        said.files.iter().map(|file| match (&file.path, &file.digest) {
            (Some(path), Some(digest)) => format!("{path}, {digest}"),
            (None, Some(digest)) => format!("{}: not in this package, {digest}", file.name),
            (_, None) => format!("{}: missing when the run looked for it", file.name),
        }),
    );
}
