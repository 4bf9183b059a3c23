//! What a verified package leaves open, in sentences.

use super::{Content, PackageSummary, sums};

/// What a package cannot show by itself.
pub(super) fn left_open(summary: &PackageSummary, content: Option<&Content>) -> Vec<String> {
    let keys = match summary.run_key == Some(summary.key) {
        true => "one key signed the runs and the package: whoever makes packages could have made runs",
        false => {
            "the runs are signed by another key, which the package names: ask for that key by a way of your own, and compare it"
        }
    };
    let before = [
        keys,
        "that runs are complete: a run that never committed shows only as a gap, and a log cut short looks the same",
        "times are the jobs' own claims: no time stamp says when runs were signed",
    ];
    let cadence = match content.is_some_and(|content| sums::is_of_this_version(&content.period)) {
        true => "",
        false => " cadence,",
    };
    let exceptions = match content.is_some_and(|content| content.shown.counted > 0) {
        true => "what exceptions say beside how many each check has on each run",
        false => "that exceptions",
    };
    let signers_word = format!(
        "that cited objects, field managers and audit trails stand in the runs' tables, {exceptions}, that nobody else \
         wrote, the population, privileged access, what declarations applied to, what scopes held beside what their \
         declarations name,{cadence} the schedule, changes of scope, remarks, control totals, what was never asked for, \
         bundles left out and the length of the log follow from the bundles is the word of the package's signer, as are \
         the names of stores and the marking: the bundles themselves are in the store (kubeproof get, kubeproof verify)"
    );
    let after = [
        signers_word.as_str(),
        "documents (PDF, workbook, tables, OSCAL, index.html) are signed as they lie here; that they print data/period.json \
         faithfully is the signer's word: kubeproof explain reads data/period.json itself",
        "the key is trusted because you named it; no policy says whether it was in force or stolen on that day",
        "the signature does not show that the cluster told the truth",
    ];
    let is_part = summary.scope.is_some() || !summary.frameworks.is_empty();
    let limited = (is_part || summary.pseudonyms.is_some()).then(|| {
        let uncounted = match is_part {
            true => {
                "; exceptions are not held against the counts of the runs, nor declarations against what is missing"
            }
            false => "",
        };
        format!("what this package leaves out, and that it had to, is the choice of its signer{uncounted}")
    });
    let unproved = summary.clusters.iter().filter(|cluster| cluster.runs == 0).map(|cluster| {
        format!("{} has no run here: that there is such a cluster is the word of the package's signer", cluster.folder)
    });
    let statuses = content.into_iter().flat_map(|content| content.shown.open());
    before
        .map(str::to_owned)
        .into_iter()
        .chain(limited)
        .chain(unproved)
        .chain(statuses)
        .chain(after.map(str::to_owned))
        .collect()
}
