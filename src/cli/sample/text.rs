//! A sample for people: what was drawn, what shows each item, and the way from there to a signed byte.

use std::path::Path;

use crate::{
    cli::text::{Page, plural},
    clock::rfc3339,
    period::{
        Period,
        sample::{Class, Drawn, Moment, Sample, Shown},
    },
};

/// Objects printed for one item; all of them are in the other forms.
const MOST_SHOWN: usize = 4;

/// The page, at most 80 columns wide but for names that are longer.
pub(super) fn page(sample: &Sample, period: &Period, package: &Path) -> String {
    let mut page = Page::default();
    let (drawn, all) = (sample.items.len(), plural(sample.population, sample.class.name()));
    page.heading(&format!("{drawn} of {all}, {} to {}", period.from, period.to));
    page.say("SEED", &sample.seed);
    page.say("root", &sample.root.hex());
    if let Some(cluster) = &sample.cluster {
        page.say("cluster", cluster);
    }
    page.items("STRATA", strata(sample));
    page.say("NOTE", &note(sample).unwrap_or_default());
    page.gap();
    let mut text = page.text().to_owned();
    for (at, item) in sample.items.iter().enumerate() {
        text.push_str(&entry(at + 1, item));
    }
    if !sample.items.is_empty() {
        text.push_str(&walk(sample.class, package));
    }
    text
}

/// What to know of a population that is empty, or no larger than what was asked for, or has more strata than that.
pub(super) fn note(sample: &Sample) -> Option<String> {
    let class = sample.class.name();
    if sample.population == 0 {
        return Some(format!("no {class} in this package: there is nothing to draw from"));
    }
    if sample.population < sample.size {
        let all = plural(sample.population, class);
        return Some(format!("the whole population is {all}, fewer than the {} asked for: all are here", sample.size));
    }
    (sample.strata.len() > sample.size).then(|| {
        let strata = sample.strata.len();
        format!("{strata} strata and {}: the larger ones come first, and others have none", plural(sample.size, "item"))
    })
}

fn strata(sample: &Sample) -> Vec<String> {
    let line = |stratum: &crate::period::sample::Stratum| {
        let namespace = stratum.namespace.as_deref().unwrap_or("(no namespace)");
        format!("{} of {} {namespace} ({})", stratum.drawn, stratum.population, stratum.cluster)
    };
    sample.strata.iter().map(line).collect()
}

fn entry(number: usize, item: &Drawn) -> String {
    let mut page = Page::default();
    let name = match &item.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", item.kind, item.name),
        None => format!("{}/{}", item.kind, item.name),
    };
    let seen = match item.runs {
        1 => format!("in 1 run, {}", run(item.first)),
        runs => format!("in {runs} runs, from {} to {}", run(item.first), run(item.last)),
    };
    page.entry(&format!("{number}. {name}"), &format!("{seen}, of cluster {}", item.cluster));
    let mut text = page.text().to_owned();
    for shown in item.evidence.iter().take(MOST_SHOWN) {
        text.push_str(&evidence(shown));
    }
    let more = item.evidence.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        text.push_str(&format!("    and {} more: --format json has all\n", plural(more, "object")));
    }
    if item.evidence.is_empty() {
        text.push_str("    no object in this package shows it\n");
    }
    text.push('\n');
    text
}

fn run(moment: Moment) -> String {
    format!("run {:04} ({})", moment.run, moment.finished.date_naive())
}

fn evidence(shown: &Shown) -> String {
    let mut page = Page::default();
    page.entry(
        &format!("- {}", shown.resource),
        &format!("run {:04} of {}", shown.moment.run, rfc3339(shown.moment.finished)),
    );
    let held = if shown.withheld { " (the text is left out)" } else { "" };
    let (digest, bundle) = (shown.digest.hex(), shown.bundle.hex());
    format!("{}    digest  {digest}\n    bundle  {bundle}\n    path    {}{held}\n", page.text(), shown.path)
}

/// The commands, with what the lines above name.
fn walk(class: Class, package: &Path) -> String {
    let package = package.display();
    let object = "duckdb -noheader -list -c \"select json from '$T' where\n    digest='sha256:$DIGEST'\" | tr -d '\\n' | sha256sum";
    let (text, table) = match class {
        Class::Run => (String::new(), String::new()),
        _ => (
            format!("  T=objects.parquet\n  {object}  # DIGEST\n"),
            format!(
                "  grep data/snapshot/objects.parquet $R/manifest-sha256.txt\n  kubeproof get $BUNDLE --store $STORE --cluster $CLUSTER \\\n    --key $KEY --out fetched\n  T=fetched/bundle/data/snapshot/objects.parquet\n  sha256sum $T  # as the \
                 manifest says\n  {object}  # DIGEST\n"
            ),
        ),
    };
    format!(
        "From a digest to the byte that its run signed, with DIGEST, BUNDLE, CLUSTER and\nRUN (4 digits) from the lines \
         above. The package holds all but the bundle:\n\n  cd {package}/data/evidence/$CLUSTER; R=runs/$RUN\n{text}  \
         sha256sum $R/manifest-sha256.txt\n  jq -r .payload $R/bundle.dsse.json | base64 -d | jq -r '.subject[] |\n    \
         select(.name==\"manifest-sha256.txt\").digest.sha256'  # the same\n{table}"
    )
}
