//! A waiver, an attestation or a provider's document: whose word it is, for how long, and what became of it.

use super::{Question, words};
use crate::{
    cli::text::Page,
    period::{
        evidence::proof_folder,
        model::{ClusterPeriod, DeclarationPeriod, RunNumber},
        written::file_of,
    },
    report::view::words as report,
};

pub(super) fn describe(question: &Question<'_>, cluster: &ClusterPeriod, said: &DeclarationPeriod, page: &mut Page) {
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
    if let Some(newest) = said.last_named() {
        page.gap();
        page.items("Proof", proof(question, cluster, &said.kind, newest));
    }
}

/// Where the newest run that named it signed its words.
fn proof(question: &Question<'_>, cluster: &ClusterPeriod, kind: &str, newest: RunNumber) -> Vec<String> {
    let folder = proof_folder(&cluster.folder, newest);
    let file = file_of(kind).unwrap_or_default();
    let Some((path, digest)) = question.proved.rule(&cluster.folder, file, newest) else {
        return vec![format!("{file} of the run is left out: these are the words of the package's signer")];
    };
    vec![
        format!("{path} declares it; its SHA-256 is {}", digest.hex()),
        format!("{folder}manifest-sha256.txt names that digest"),
        format!("{folder}bundle.dsse.json signs that manifest"),
    ]
}
