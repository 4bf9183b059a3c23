//! How the report came about, and what its words mean.

use super::{Block, Section, text::Text};

pub(super) fn method() -> Section {
    let steps: [(&str, &str); 6] = [
        (
            "Collected",
            "Lists of the API, read only, each one recorded with its answer. Secrets and events are never asked for.",
        ),
        (
            "Redacted",
            "Before anything is written, values that may be secret are replaced by keyed digests: a change still shows, the value does not.",
        ),
        (
            "Stored",
            "Each object as canonical JSON (RFC 8785) with its SHA-256, in Parquet tables beside typed tables of grants, images and nodes.",
        ),
        (
            "Judged",
            "Each check is one expression at a named place. What could not be seen is not evaluated; it never counts as in order.",
        ),
        (
            "Mapped",
            "Checks decide requirements or support them; only deciding checks set a status, and for laws and standards a person always has the last word.",
        ),
        (
            "Signed",
            "A manifest of every file, an in-toto statement in a DSSE envelope (Ed25519), and an entry in the cluster's log.",
        ),
    ];
    pairs("Method", &steps)
}

pub(super) fn glossary() -> Section {
    let words: [(&str, &str); 11] = [
        ("Attested", "A person stated it, with a last day; the statement's files are in the bundle."),
        ("Check", "One question about one kind of object, with the expected answer."),
        ("Evidence root", "The digest of all evidence in the bundle, without the reports that print it."),
        ("Exception", "A failure of a check that nobody waived and no system design explains."),
        ("Expected", "As every cluster of this kind has it by design; shown apart."),
        ("Incomplete", "A deciding check could not run, mostly because its source was not seen."),
        ("Inherited", "The provider's task, with a declared document of the provider."),
        ("None noted", "Everything that the cluster can show was in order."),
        ("Requirement", "A row of a framework, by the framework's own id, in our own words."),
        ("Waiver", "Somebody accepts an exception until a last day; it stays an exception."),
        (
            "Workload",
            "The object that a person wrote (a Deployment, a CronJob, a bare pod), judged once, not once a replica.",
        ),
    ];
    pairs("Glossary", &words)
}

fn pairs(title: &str, words: &[(&str, &str)]) -> Section {
    let pairs = words.iter().map(|(name, text)| ((*name).to_owned(), Text::from(*text))).collect();
    Section { title: title.into(), new_page: false, blocks: vec![Block::Pairs { pairs }] }
}
