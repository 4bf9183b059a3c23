//! The BagIt bag (RFC 8493): the manifest's grammar, the files derived from it, and the evidence root.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::NaiveDate;

use crate::{bundle::statement::Predicate, digest::Digest};

/// The payload manifest: what the statement signs.
pub const MANIFEST: &str = "manifest-sha256.txt";
/// BagIt declaration.
pub const BAGIT: &str = "bagit.txt";
/// Metadata for people and archive tools.
pub const BAG_INFO: &str = "bag-info.txt";
/// Manifest of the three files above.
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Prefix of every payload file.
pub const DATA: &str = "data/";
/// Prefix of everything that decided.
pub const RULES: &str = "data/rules/";
/// Prefix of what the run said of each framework (`evaluate::results`).
pub const RESULTS: &str = "data/results/";
/// Prefix of documents, which are outside the evidence root.
pub const REPORT: &str = "data/report/";

/// The line of [`BAG_INFO`] that says where to begin (RFC 8493, 2.2.2).
const DESCRIPTION: &str = "External-Description: ";
const DECLARATION: &[u8] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// Why a manifest or a file name is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BagError {
    /// A line outside the grammar.
    #[error("line {line}: {what}")]
    Line {
        /// 1-based line.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A payload path outside the grammar.
    #[error("'{0}' cannot be a file of a bundle: paths are data/ and then a-z 0-9 . _ - with / between names")]
    Path(String),
    /// A path that is a file and a folder.
    #[error("'{0}' is a file and a folder at once")]
    FileAndFolder(String),
}

/// Everything that decided, by its path below [`RULES`].
pub fn rules(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let below = files.range(RULES.to_owned()..).take_while(|(path, _)| path.starts_with(RULES));
    below.map(|(path, bytes)| (path[RULES.len()..].to_owned(), bytes.clone())).collect()
}

/// Whether `path` is one of the grammar's payload paths.
pub fn is_payload_path(path: &str) -> bool {
    path.strip_prefix(DATA).is_some_and(|rest| {
        rest.split('/').all(|name| {
            !matches!(name, "" | "." | "..")
                && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        })
    })
}

/// Lines of a manifest: path to digest.
pub type Lines = BTreeMap<String, Digest>;

/// Digests of payload files, by path.
///
/// # Errors
/// A path outside the grammar.
pub fn lines(files: &BTreeMap<String, Vec<u8>>) -> Result<Lines, BagError> {
    checked(files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect())
}

/// The same lines, all of which can stand in a manifest.
///
/// # Errors
/// A path outside the grammar.
pub fn checked(lines: Lines) -> Result<Lines, BagError> {
    check_paths(&lines)?;
    Ok(lines)
}

fn check_paths(lines: &Lines) -> Result<(), BagError> {
    for path in lines.keys() {
        if !is_payload_path(path) {
            return Err(BagError::Path(path.chars().take(200).collect()));
        }
        let mut folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(folder) = folders.find(|folder| lines.contains_key(*folder)) {
            return Err(BagError::FileAndFolder(folder.to_owned()));
        }
    }
    Ok(())
}

/// The manifest's text: bytewise path order.
pub fn format<'a>(lines: impl IntoIterator<Item = (&'a String, &'a Digest)>) -> String {
    lines.into_iter().fold(String::new(), |mut text, (path, digest)| {
        let _ = writeln!(text, "{}  {path}", digest.hex());
        text
    })
}

/// Reads a manifest: `^[0-9a-f]{64}  data/[a-z0-9._/-]+$`, bytewise order, unique, nothing else.
///
/// # Errors
/// The first line outside the grammar.
pub fn parse(bytes: &[u8]) -> Result<Lines, BagError> {
    let refuse = |line: usize, what| BagError::Line { line, what };
    let text = std::str::from_utf8(bytes).map_err(|_| refuse(1, "not ASCII"))?;
    let text = text.strip_suffix('\n').ok_or_else(|| refuse(1, "the file does not end in a newline"))?;
    let mut lines = Lines::new();
    for (at, line) in text.split('\n').enumerate() {
        let (digest, path) = line.split_once("  ").ok_or_else(|| refuse(at + 1, "not a digest, two spaces, a path"))?;
        let digest = Digest::from_hex(digest).map_err(|_| refuse(at + 1, "not a lower-case SHA-256 digest"))?;
        if !is_payload_path(path) {
            return Err(refuse(at + 1, "the path is not data/ and then a-z 0-9 . _ - with / between names"));
        }
        if lines.last_key_value().is_some_and(|(last, _)| last.as_str() >= path) {
            return Err(refuse(at + 1, "not in bytewise order, or twice"));
        }
        lines.insert(path.to_owned(), digest);
    }
    check_paths(&lines)?;
    Ok(lines)
}

/// The evidence root: SHA-256 of the manifest without its `data/report/` lines.
///
/// `files` may hold more than the payload; only `data/` counts.
pub fn evidence_root(files: &BTreeMap<String, Vec<u8>>) -> Digest {
    let lines: Lines = files
        .iter()
        .filter(|(path, _)| path.starts_with(DATA) && !path.starts_with(REPORT))
        .map(|(path, bytes)| (path.clone(), Digest::of(bytes)))
        .collect();
    evidence_root_of(&lines)
}

/// The evidence root of a manifest.
pub fn evidence_root_of(lines: &Lines) -> Digest {
    root_without(lines, REPORT)
}

/// SHA-256 of a manifest without the documents below `documents`, which print it.
pub fn root_without(lines: &Lines, documents: &str) -> Digest {
    Digest::of(format(lines.iter().filter(|(path, _)| !path.starts_with(documents))))
}

/// What bag-info.txt says beside the payload's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagInfo {
    /// Program and version.
    pub agent: String,
    /// Day, in UTC.
    pub date: NaiveDate,
    /// What it holds and where to begin reading, within 57 characters: lines of 79 are what RFC 8493 recommends.
    pub description: &'static str,
    /// What the bag is about.
    pub identifier: String,
}

impl BagInfo {
    /// What the bag of a run says.
    pub fn of_run(predicate: &Predicate) -> Self {
        Self {
            agent: format!("{} {}", predicate.tool.name, predicate.tool.version),
            date: predicate.run.finished.date_naive(),
            description: "Evidence of one run; open data/report/index.html",
            identifier: predicate.cluster.folder.clone(),
        }
    }

    /// The file's text; bags of before [`DESCRIPTION`] was written have no line of it.
    fn text(&self, octets: u64, files: usize, described: bool) -> String {
        let description = if described { format!("{DESCRIPTION}{}\n", self.description) } else { String::new() };
        format!(
            "Bag-Software-Agent: {}\nBagging-Date: {}\n{description}External-Identifier: {}\nPayload-Oxum: {octets}.{files}\n",
            self.agent, self.date, self.identifier,
        )
    }
}

/// bagit.txt, bag-info.txt and tagmanifest-sha256.txt of a run, which follow from the manifest and the predicate alone.
///
/// `octets` is the payload's size in bytes.
pub fn derived(manifest: &[u8], octets: u64, predicate: &Predicate) -> BTreeMap<String, Vec<u8>> {
    tag_files(manifest, octets, &BagInfo::of_run(predicate))
}

/// The same files of any bag.
pub fn tag_files(manifest: &[u8], octets: u64, info: &BagInfo) -> BTreeMap<String, Vec<u8>> {
    tags(manifest, info.text(octets, entries(manifest), true))
}

/// The same files as `found` has them, a bag-info.txt: one of before it said where to begin is held against its own form.
pub fn tag_files_as(found: Option<&[u8]>, manifest: &[u8], octets: u64, info: &BagInfo) -> BTreeMap<String, Vec<u8>> {
    let before = info.text(octets, entries(manifest), false);
    if found == Some(before.as_bytes()) { tags(manifest, before) } else { tag_files(manifest, octets, info) }
}

fn entries(manifest: &[u8]) -> usize {
    manifest.iter().filter(|b| **b == b'\n').count()
}

fn tags(manifest: &[u8], info: String) -> BTreeMap<String, Vec<u8>> {
    let mut tags =
        BTreeMap::from([(BAGIT.to_owned(), Digest::of(DECLARATION)), (BAG_INFO.to_owned(), Digest::of(&info))]);
    tags.insert(MANIFEST.to_owned(), Digest::of(manifest));
    BTreeMap::from([
        (BAGIT.to_owned(), DECLARATION.to_vec()),
        (TAG_MANIFEST.to_owned(), format(&tags).into_bytes()),
        (BAG_INFO.to_owned(), info.into_bytes()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_grammar_is_a_payload_path() {
        for path in ["data/a", "data/rules/checks/pod/a-b_c.0.yaml", "data/.x"] {
            assert!(is_payload_path(path), "{path}");
        }
        for path in [
            "data/",
            "data//a",
            "data/../a",
            "data/./a",
            "data/A",
            "data/a ",
            "data/a/",
            "datax/a",
            "/data/a",
            "data/ä",
        ] {
            assert!(!is_payload_path(path), "{path}");
        }
    }

    #[test]
    fn a_bag_says_where_to_begin_and_one_of_before_is_held_against_its_own_form() {
        let info = BagInfo {
            agent: "kubeproof 0.1.0".into(),
            date: NaiveDate::MIN,
            description: "Evidence; open data/index.html",
            identifier: "prod".into(),
        };
        let manifest = format!("{}  data/index.html\n", "0".repeat(64)).into_bytes();
        let said = |files: &BTreeMap<String, Vec<u8>>| String::from_utf8(files[BAG_INFO].clone()).unwrap();
        let new = tag_files(&manifest, 7, &info);
        assert!(said(&new).contains("\nExternal-Description: Evidence; open data/index.html\n"), "{}", said(&new));
        let before = said(&new).replace("External-Description: Evidence; open data/index.html\n", "");
        let old = tag_files_as(Some(before.as_bytes()), &manifest, 7, &info);
        assert_eq!(said(&old), before);
        assert_ne!(old[TAG_MANIFEST], new[TAG_MANIFEST]);
        for other in [None, Some(&b"External-Description: another\n"[..]), Some(&new[BAG_INFO])] {
            assert_eq!(tag_files_as(other, &manifest, 7, &info), new);
        }
    }

    #[test]
    fn manifests_outside_the_grammar_are_refused_with_their_line() {
        let a = format!("{}  data/a\n", "0".repeat(64));
        let b = format!("{}  data/b\n", "1".repeat(64));
        assert_eq!(parse(format!("{a}{b}").as_bytes()).unwrap().len(), 2);
        for (name, text, line) in [
            ("order", format!("{b}{a}"), 2),
            ("twice", format!("{a}{a}"), 2),
            ("one space", a.replace("  ", " "), 1),
            ("upper case digest", a.replace('0', "A"), 1),
            ("no last newline", a.trim_end().to_owned(), 1),
            ("carriage return", a.replace('\n', "\r\n"), 1),
            ("empty line", format!("{a}\n{b}"), 2),
            ("empty", String::new(), 1),
            ("star", a.replace("  ", " *"), 1),
            ("outside data", a.replace("data/", "attest/"), 1),
        ] {
            match parse(text.as_bytes()) {
                Err(BagError::Line { line: found, .. }) => assert_eq!(found, line, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let nested = format!("{a}{}  data/a/b\n", "1".repeat(64));
        assert_eq!(parse(nested.as_bytes()), Err(BagError::FileAndFolder("data/a".into())));
    }

    #[test]
    fn documents_are_outside_the_evidence_root() {
        let mut files = BTreeMap::from([("data/a".to_owned(), vec![1])]);
        let root = evidence_root(&files);
        files.insert("data/report/report.pdf".to_owned(), vec![2]);
        files.insert("bagit.txt".to_owned(), vec![3]);
        assert_eq!(evidence_root(&files), root);
        files.insert("data/b".to_owned(), vec![]);
        assert_ne!(evidence_root(&files), root);
    }

    proptest::proptest! {
        #[test]
        fn what_parses_is_written_again_byte_for_byte(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), paths in proptest::collection::btree_set("data/[a-z./]{1,6}", 0..5)) {
            let text: String = paths.iter().map(|path| format!("{}  {path}\n", "0".repeat(64))).collect();
            for input in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(lines) = parse(input) {
                    proptest::prop_assert_eq!(format(&lines).into_bytes(), input);
                }
            }
        }
    }
}
