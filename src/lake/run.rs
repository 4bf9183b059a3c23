//! The table of runs: one row, with what signed it and how many rows every other table has.

use std::collections::BTreeMap;

use super::{LakeError, LakeFile, RUNS, Source, count, made, text, word};
use crate::{
    report::{BySeverity, HistoryLine},
    snapshot,
};

pub(super) fn table<B: AsRef<[u8]>>(
    source: &Source<'_, B>,
    own: Option<&HistoryLine>,
    rows_of: &BTreeMap<&str, u64>,
) -> Result<LakeFile, LakeError> {
    let row = [source.predicate];
    let open = |get: fn(&BySeverity) -> u64| own.map(|line| get(&line.exceptions));
    source.table(RUNS, &row, |rows| {
        let mut columns = vec![
            text("cluster_name", rows, |p| Some(&p.cluster.name)),
            text("cluster_uid", rows, |p| p.cluster.uid.as_deref()),
            text("kubernetes", rows, |p| p.cluster.kubernetes.as_deref()),
            text("environment", rows, |p| p.environment.as_deref()),
            made("source", rows, |p| word(p.source.kind)),
            snapshot::times("scheduled", rows.iter().map(|p| p.run.scheduled)),
            snapshot::times("started", rows.iter().map(|p| Some(p.run.started))),
            made("result", rows, |p| word(p.run.result)),
            text("reason", rows, |p| p.run.reason.as_deref()),
            text("caller", rows, |p| p.caller.as_ref().map(|caller| caller.username.as_str())),
            text("tool_version", rows, |p| Some(&p.tool.version)),
            made("evidence_root", rows, |p| Some(p.evidence_root.hex())),
            made("rules", rows, |p| Some(p.rules.all.hex())),
            made("baseline", rows, |p| p.baseline.as_ref()?.bundle.map(|bundle| bundle.hex())),
            count("pass", rows, |p| Some(p.counts.pass)),
            count("fail", rows, |p| Some(p.counts.fail)),
            count("not_applicable", rows, |p| Some(p.counts.not_applicable)),
            count("not_evaluated", rows, |p| Some(p.counts.not_evaluated)),
            count("manual", rows, |p| Some(p.counts.manual)),
            count("open_critical", rows, |_| open(|s| s.critical)),
            count("open_high", rows, |_| open(|s| s.high)),
            count("open_medium", rows, |_| open(|s| s.medium)),
            count("open_low", rows, |_| open(|s| s.low)),
            count("open_info", rows, |_| open(|s| s.info)),
            count("waived", rows, |_| own.map(|line| line.waived)),
            count("expected", rows, |_| own.map(|line| line.expected)),
            count("unseen_lists", rows, |_| own.map(|line| line.unseen)),
        ];
        columns.extend(rows_of.iter().map(|(table, of)| count(&format!("{table}_rows"), rows, |_| Some(*of))));
        columns
    })
}
