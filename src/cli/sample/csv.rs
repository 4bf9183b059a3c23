//! A sample as a table: one row for each object of each item.

use std::borrow::Cow;

use crate::{
    clock::rfc3339,
    period::sample::{Drawn, Sample, Shown},
    report,
};

const COLUMNS: [&str; 19] = [
    "number",
    "class",
    "cluster",
    "namespace",
    "kind",
    "name",
    "rank",
    "first_run",
    "first_seen",
    "last_run",
    "last_seen",
    "runs",
    "object",
    "digest",
    "run",
    "bundle",
    "path",
    "proof",
    "text",
];

/// The table; an item without an object has one row without one.
pub(super) fn table(sample: &Sample) -> Result<String, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for (at, item) in sample.items.iter().enumerate() {
        let number = (at + 1).to_string();
        let shown: Vec<Option<&Shown>> = match item.evidence.as_slice() {
            [] => vec![None],
            some => some.iter().map(Some).collect(),
        };
        for shown in shown {
            writer.write_record(row(&number, sample.class.name(), item, shown).map(|cell| cell.into_owned()))?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row<'a>(number: &'a str, class: &'a str, item: &'a Drawn, shown: Option<&'a Shown>) -> [Cow<'a, str>; 19] {
    let of = |say: fn(&Shown) -> String| Cow::Owned(shown.map(say).unwrap_or_default());
    [
        number.into(),
        class.into(),
        report::harmless(item.cluster.as_str().into()),
        report::harmless(item.namespace.as_deref().unwrap_or_default().into()),
        report::harmless(item.kind.as_str().into()),
        report::harmless(item.name.as_str().into()),
        item.rank.hex().into(),
        item.first.run.to_string().into(),
        rfc3339(item.first.finished).into(),
        item.last.run.to_string().into(),
        rfc3339(item.last.finished).into(),
        item.runs.to_string().into(),
        report::harmless(of(|shown| shown.resource.clone())),
        of(|shown| shown.digest.hex()),
        of(|shown| shown.moment.run.to_string()),
        of(|shown| shown.bundle.hex()),
        of(|shown| shown.path.clone()),
        of(|shown| shown.proof.clone()),
        of(|shown| if shown.withheld { "left out" } else { "here" }.to_owned()),
    ]
}
