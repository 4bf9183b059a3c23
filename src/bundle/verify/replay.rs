//! `--replay`: the stored snapshot, judged again by the stored rules.

use super::{StepName, Verdict, bundle::Proved, steps::Steps};

pub(super) fn judge(proved: &Proved, steps: &mut Steps) {
    let _ = proved;
    steps.fail(StepName::Replay, Verdict::Incomplete, "data/evaluation.json", "cannot be evaluated again yet");
}
