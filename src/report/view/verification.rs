//! How a reader checks the report, with our tool and without it.

use super::{Block, Facts, Section, first::SIGNATURE, text::Text};

/// The commands that need no tool of ours.
const COMMANDS: [&str; 12] = [
    "jq -r .payload attest/bundle.dsse.json | base64 -d > p",
    "T=$(jq -r .payloadType attest/bundle.dsse.json)",
    "test \"$T\" = application/vnd.in-toto+json",
    "{ printf 'DSSEv1 %d %s %d ' ${#T} \"$T\" $(wc -c < p); cat p; } > pae",
    "jq -r '.signatures[0].sig' attest/bundle.dsse.json | base64 -d > sig",
    "openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in pae -sigfile sig",
    "M=$(jq -r '.subject[] | select(.name==\"manifest-sha256.txt\").digest.sha256' p)",
    "test \"$M\" = \"$(sha256sum < manifest-sha256.txt | cut -c1-64)\"",
    "sha256sum -c --strict --quiet manifest-sha256.txt",
    "diff <(cut -c67- manifest-sha256.txt | LC_ALL=C sort) \\",
    "     <(find data ! -type d | LC_ALL=C sort)",
    "grep -v '  data/report/' manifest-sha256.txt | sha256sum   # the evidence root",
];

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let meta = facts.input.meta;
    let mut pairs = vec![
        ("Evidence root".to_owned(), Text::new().code(meta.evidence_root.hex())),
        ("Signing key".to_owned(), Text::new().code(meta.signing_key.hex()).note("SHA-256 of its public form (SPKI)")),
    ];
    if let Some(head) = &meta.log {
        let text = Text::from(format!("this run follows entry {} of ", head.index)).code(&head.origin);
        pairs.push(("Log".to_owned(), text));
    }
    pairs.push((
        "Attached file".to_owned(),
        Text::new().code("evidence-root.txt").plain(" in this PDF holds the evidence root for machines"),
    ));
    let tie = "Every line must succeed. Without those that tie the payload to the manifest and the manifest to the \
               folder, forged data passes all the others.";
    let blocks = vec![
        Block::paragraph(format!("{SIGNATURE} Take the public key from somebody you trust, not from the bundle.")),
        Block::Pairs { pairs },
        Block::heading("With kubeproof, offline"),
        Block::Commands { lines: vec!["kubeproof verify BUNDLE --key pub.pem".into()] },
        Block::paragraph("Add --replay to judge the stored snapshot again with the stored rules."),
        Block::heading("With tools that we did not write, in the bundle's folder"),
        Block::Commands { lines: COMMANDS.iter().map(|c| (*c).to_owned()).collect() },
        Block::paragraph(tie),
        Block::heading("What stays open"),
        Block::paragraph(
            "Times are claimed by the machine that ran this, as long as no time stamp is attached. Whoever holds the \
             store and every key can rewrite what nobody else has seen; runs that were never committed show only as \
             gaps in the log.",
        ),
    ];
    Section { title: "Verification".into(), new_page: true, blocks }
}
