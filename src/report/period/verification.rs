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
            "The folder of the run's number holds the bundle's manifest, its signed envelope and its log entry: the manifest names the digest of the file of results and of the table that holds the object, the envelope signs the manifest, the entry commits the envelope.",
        ),
        (
            "To its bundle",
            "kubeproof get fetches the bundle from the store: its data/snapshot/objects.parquet holds the same row.",
        ),
    ];
    let walk = walk.iter().map(|(name, text)| ((*name).to_owned(), Text::from(*text))).collect();
    let mut blocks = vec![
        Block::paragraph(format!("{SIGNATURE} Take the public key from somebody you trust, not from the package.")),
        Block::Pairs { pairs },
        Block::heading("With kubeproof, offline"),
        Block::Commands { lines: vec!["kubeproof verify PACKAGE --key signing.pub".into()] },
    ];
    blocks.extend(asked(facts));
    blocks.extend([
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
            "Times are claimed by the machines that ran the collection. Runs that were never committed show only as gaps in \
             the log. Whoever holds the store and every key can rewrite what nobody else has seen.",
        ),
    ]);
    Section { title: "How to verify".into(), new_page: true, blocks }
}

/// What the same program answers, where there is something to ask.
fn asked(facts: &Facts<'_>) -> Vec<Block> {
    let lines = documents::questions(facts.period, Some(&facts.framework.id));
    if lines.is_empty() {
        return Vec::new();
    }
    let says = "It also tells what a requirement\u{2019}s state was on a day and how that is known, shows an exception from \
                beginning to end, and prints the bytes of an object:";
    vec![Block::paragraph(says), Block::Commands { lines }]
}

/// The first step from a status on a run, whether it held or not.
fn from_status(facts: &Facts<'_>) -> &'static str {
    if facts.clusters.iter().all(|cluster| cluster.all.results.is_empty()) {
        return "The status is this package's word: the run's bundle holds what the run said, data/evaluation.json.";
    }
    "data/evidence, in the cluster's folder, results, the number of the first run on which it stood, holds what the run \
     said of the framework: the status of each row, and in how many places its checks passed and failed; data/period.json, results, names the runs of each file. The \
     run's manifest names its digest as data/results. Commands for one requirement on one run are in \
     data/documents/readme.md."
}
