//! How an auditor checks the package, with our tool and without it.

use super::facts::Facts;
use crate::{
    period::documents,
    report::view::{Block, SIGNATURE, Section, Text},
};

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let about = facts.about;
    let pairs = vec![
        (
            "Evidence root".to_owned(),
            Text::new()
                .code(about.root.hex())
                .note("SHA-256 of the package's manifest without its documents; every document names it"),
        ),
        ("Signing key".to_owned(), Text::new().code(about.signing_key.hex()).note("SHA-256 of its public form (SPKI)")),
        (
            "Runs' key".to_owned(),
            Text::new()
                .code(&facts.period.key)
                .note("the same of the key that signed the runs; the package's statement holds it"),
        ),
        (
            "Attached file".to_owned(),
            Text::new().code("evidence-root.txt").plain(" in this PDF holds the evidence root for machines"),
        ),
    ];
    let walk: [(&str, &str); 5] = [
        ("From a status", from_status(facts)),
        ("From a line", "An exception or a member of the population names its object by digest, and a run."),
        ("To its text", "data/evidence, objects.parquet, column json, holds the text; its SHA-256 is the digest."),
        (
            "To its run",
            "In the folder of the run's number the manifest names the digests of results and objects, the envelope signs the \
             manifest, and the log entry commits the envelope.",
        ),
        ("To its bundle", "kubeproof get fetches it from the store: data/snapshot/objects.parquet holds the same row."),
    ];
    let walk = walk.iter().map(|(name, text)| ((*name).to_owned(), Text::from(*text))).collect();
    let blocks = vec![
        Block::paragraph(format!("{SIGNATURE} Take the public key from somebody you trust, not from the package.")),
        Block::Pairs { pairs },
        Block::heading("With kubeproof, offline: prove it, then ask it"),
        Block::Commands { lines: own_commands(facts) },
        Block::heading("With tools that we did not write, in the package's folder"),
        Block::Commands { lines: documents::commands().lines().map(str::to_owned).collect() },
        Block::paragraph(format!(
            "{} The root is the evidence root above. The same lines, to copy, are in data/documents/readme.md.",
            documents::COMMANDS_ABOUT
        )),
        Block::heading("Walk from a line to a signed byte"),
        Block::Pairs { pairs: walk },
        Block::heading("What stays open"),
        Block::paragraph(
            "Times are claims of the machines that ran the collection. Runs never committed show only as gaps in the log. \
             Whoever holds the store and every key can rewrite what nobody else has seen.",
        ),
    ];
    Section { title: "How to verify".into(), new_page: true, blocks }
}

/// Proof first; then the state of a requirement on a day, the course of an exception, and the bytes of an object.
fn own_commands(facts: &Facts<'_>) -> Vec<String> {
    let proof = "kubeproof verify PACKAGE --key signing.pub".to_owned();
    std::iter::once(proof).chain(documents::questions(facts.period, Some(&facts.framework.id))).collect()
}

/// The first step from a status on a run, whether it held or not.
fn from_status(facts: &Facts<'_>) -> &'static str {
    if facts.clusters.iter().all(|cluster| cluster.all.results.is_empty()) {
        return "The status is this package's word: the run's bundle holds what the run said, data/evaluation.json.";
    }
    "data/evidence, in the cluster's folder, results, holds what the run said of the framework, under the number of the \
     first run on which it stood; the run's manifest names its digest. data/documents/readme.md has the commands."
}
