//! Steps 1 to 4 on one bundle.

use std::collections::{BTreeMap, BTreeSet};

use super::{BundleFiles, Options, StepName, Sum, Trust, Verdict, content, steps::Steps};
use crate::{
    bundle::{
        bag::{self, BagInfo, Lines},
        envelope::{self, Envelope},
        keys::VerifyingKey,
        log_origin, sigstore,
        statement::{self, Predicate, Statement, Subject},
    },
    digest::Digest,
};

/// Files beside `data/` that every bundle has.
const FIXED: [&str; 6] = [bag::BAGIT, bag::BAG_INFO, bag::MANIFEST, bag::TAG_MANIFEST, envelope::FILE, sigstore::FILE];
/// Folder of time stamps.
const TSA: &str = "attest/tsa/";

/// Every file of a bundle by bag path, as manifests know it.
pub(super) type Sums = BTreeMap<String, Sum>;

/// What steps 1 to 4 leave.
pub(super) struct Judged {
    /// The envelope has the form of one; nothing of it is proved.
    pub(super) envelope: Option<Envelope>,
    /// Present when the trusted key signed the statement.
    pub(super) proved: Option<Proved>,
}

/// A bundle whose statement is proved.
pub(super) struct Proved {
    pub(super) id: Digest,
    pub(super) signature: Digest,
    pub(super) predicate: Predicate,
    pub(super) log_key: VerifyingKey,
    pub(super) stamps: BTreeMap<String, Digest>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Where the members of the evaluation stand.
    pub(super) evaluation: content::Members,
    /// Every file is as signed, and none is missing or extra.
    pub(super) intact: bool,
}

/// Steps 1 to 4.
pub(super) fn judge(input: BundleFiles, trust: &Trust, options: &Options, steps: &mut Steps) -> Judged {
    let sums = input.sums();
    let BundleFiles { files, problems, leftovers, .. } = input;
    for path in leftovers {
        steps.pass(StepName::Files, path, "left over from an interrupted write of the store; not read");
    }
    for problem in &problems {
        steps.fail(StepName::Files, Verdict::Tampered, &problem.subject, &problem.detail);
    }
    judge_names(&sums, steps);
    if !steps.has(Verdict::Tampered) {
        steps.pass(
            StepName::Files,
            "bundle",
            format!("{} files, every name and kind as the format has it", sums.len()),
        );
    }
    let envelope = files.get(envelope::FILE).and_then(|bytes| match Envelope::parse(bytes) {
        Ok(envelope) => Some(envelope),
        Err(error) => {
            steps.fail(StepName::Envelope, Verdict::Tampered, envelope::FILE, error.to_string());
            None
        }
    });
    let Some(envelope) = envelope else { return Judged { envelope: None, proved: None } };
    let statement = judge_envelope(&envelope, trust, options, steps);
    let Some((statement, key, log_key)) = statement else {
        judge_unsigned(&files, &sums, steps);
        return Judged { envelope: Some(envelope), proved: None };
    };
    let said =
        Said { subjects: &statement.subject, documents: bag::REPORT, info: BagInfo::of_run(&statement.predicate) };
    let lines = judge_manifest(&files, &sums, &said, &envelope, &key, steps);
    let lines = lines.filter(|_| !steps.failed(StepName::Files) && !steps.failed(StepName::Manifest));
    let evaluation = lines.and_then(|lines| content::judge(&files, &lines, &statement.predicate, steps));
    let stamps = files.iter().filter(|(path, _)| path.starts_with(TSA));
    let proved = Proved {
        id: envelope.id(),
        signature: envelope.signature_digest(),
        log_key,
        stamps: stamps.map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect(),
        predicate: statement.predicate,
        intact: !steps.has(Verdict::Tampered),
        evaluation: evaluation.unwrap_or_default(),
        files,
    };
    Judged { envelope: Some(envelope), proved: Some(proved) }
}

pub(super) fn is_stamp(path: &str) -> bool {
    path.strip_prefix(TSA)
        .and_then(|name| name.strip_suffix(".tsr"))
        .is_some_and(|n| n.parse::<u32>().is_ok_and(|number| number.to_string() == n))
}

pub(super) fn judge_names(sums: &Sums, steps: &mut Steps) {
    for name in FIXED.into_iter().filter(|name| !sums.contains_key(*name)) {
        steps.fail(StepName::Files, Verdict::Tampered, name, "missing");
    }
    let mut folded: BTreeMap<String, &str> = BTreeMap::new();
    for path in sums.keys() {
        let twin = folded.insert(path.to_lowercase(), path);
        let allowed = FIXED.contains(&path.as_str()) || bag::is_payload_path(path) || is_stamp(path);
        match twin {
            Some(twin) => steps.fail(
                StepName::Files,
                Verdict::Tampered,
                path,
                format!("differs from '{twin}' in upper and lower case alone"),
            ),
            None if !allowed => {
                steps.fail(StepName::Files, Verdict::Tampered, path, "no file of this name belongs in a bundle");
            }
            None => {}
        }
    }
}

/// The statement's bytes, once the trusted key has signed them.
pub(super) fn signed_payload<'e>(
    envelope: &'e Envelope,
    trust: &Trust,
    steps: &mut Steps,
) -> Option<(&'e [u8], VerifyingKey)> {
    let mut refuse = |verdict, detail: String| {
        steps.fail(StepName::Envelope, verdict, envelope::FILE, detail);
        None
    };
    let claimed: String = envelope.keyid().chars().take(16).collect();
    let Trust::Key(key) = trust else {
        return refuse(Verdict::Untrusted, format!("no key is trusted; it says that key {claimed} signed it"));
    };
    let Some(payload) = envelope.verified_by(key) else {
        let trusted = key.digest();
        return if envelope.keyid() == trusted.hex() {
            refuse(Verdict::Tampered, format!("the signature of key {} does not fit the statement", trusted.short(16)))
        } else {
            let detail = format!("key {} did not sign this; it says that key {claimed} did", trusted.short(16));
            refuse(Verdict::Untrusted, detail)
        };
    };
    if envelope.keyid() != key.digest().hex() {
        return refuse(Verdict::Tampered, format!("keyid '{claimed}' is not the key that signed"));
    }
    Some((payload, key.clone()))
}

/// Key, signature, types, cluster and log: everything that must be true before the statement is believed.
fn judge_envelope(
    envelope: &Envelope,
    trust: &Trust,
    options: &Options,
    steps: &mut Steps,
) -> Option<(Statement, VerifyingKey, VerifyingKey)> {
    let (payload, key) = signed_payload(envelope, trust, steps)?;
    let mut refuse = |verdict, detail: String| {
        steps.fail(StepName::Envelope, verdict, envelope::FILE, detail);
        None
    };
    let statement = match Statement::parse(payload) {
        Ok(statement) => statement,
        // A newer format is no sign of tampering; it is only not for this version to judge.
        Err(error @ statement::StatementError::Version { .. }) => return refuse(Verdict::Untrusted, error.to_string()),
        Err(error) => return refuse(Verdict::Tampered, error.to_string()),
    };
    let cluster = &statement.predicate.cluster;
    if let Some(expected) = options.cluster.as_ref().filter(|e| **e != cluster.name && **e != cluster.folder) {
        return refuse(Verdict::Untrusted, format!("evidence of cluster '{}', not of '{expected}'", cluster.folder));
    }
    let log = &statement.predicate.log;
    if log.origin != log_origin(&cluster.folder) {
        return refuse(Verdict::Tampered, format!("log '{}' is not that of cluster '{}'", log.origin, cluster.folder));
    }
    match VerifyingKey::parse(&log.public_key, "the statement's log key") {
        Ok(log_key) if log_key == key => refuse(Verdict::Tampered, "one key signs the bundle and the log".to_owned()),
        Ok(log_key) => {
            steps.pass(StepName::Envelope, envelope::FILE, format!("signed by key {}", key.digest().short(16)));
            Some((statement, key, log_key))
        }
        Err(error) => refuse(Verdict::Tampered, error.to_string()),
    }
}

/// What a proved statement says about the files beside it.
pub(super) struct Said<'a> {
    pub(super) subjects: &'a [Subject],
    /// Folder whose PDFs are subjects.
    pub(super) documents: &'static str,
    pub(super) info: BagInfo,
}

/// Step 3: the manifest is the signed one, every file equals its line, and derived files are what they derive to.
pub(super) fn judge_manifest(
    files: &BTreeMap<String, Vec<u8>>,
    sums: &Sums,
    said: &Said<'_>,
    envelope: &Envelope,
    key: &VerifyingKey,
    steps: &mut Steps,
) -> Option<Lines> {
    let manifest = files.get(bag::MANIFEST)?;
    let digest = sums.get(bag::MANIFEST)?.digest;
    let signed = said.subjects.iter().find(|subject| subject.name == bag::MANIFEST);
    if signed.is_none_or(|subject| subject.digest.sha256 != digest.hex()) {
        steps.fail(StepName::Manifest, Verdict::Tampered, bag::MANIFEST, "not the manifest that was signed");
        return None;
    }
    let lines = match bag::parse(manifest) {
        Ok(lines) => lines,
        Err(error) => {
            steps.fail(StepName::Manifest, Verdict::Tampered, bag::MANIFEST, error.to_string());
            return None;
        }
    };
    judge_lines(sums, &lines, steps);
    if said.subjects != statement::subjects_with(digest, &lines, said.documents) {
        let detail = "the statement's subjects are not the manifest and its PDFs";
        steps.fail(StepName::Manifest, Verdict::Tampered, envelope::FILE, detail);
    }
    let octets = sums.iter().filter(|(path, _)| path.starts_with(bag::DATA)).map(|(_, sum)| sum.octets).sum();
    let found = files.get(bag::BAG_INFO).map(Vec::as_slice);
    let mut derived = bag::tag_files_as(found, manifest, octets, &said.info);
    if let Ok(bytes) = sigstore::derive(envelope, key) {
        derived.insert(sigstore::FILE.to_owned(), bytes);
    }
    // Counts of a changed payload would only blame the tag files for it.
    if steps.failed(StepName::Manifest) {
        derived.retain(|path, _| path == sigstore::FILE || path == bag::BAGIT);
    }
    for (path, bytes) in &derived {
        // Missing ones are named by step 1.
        if files.get(path).is_some_and(|found| found != bytes) {
            let detail = "differs from what the envelope and the manifest give";
            steps.fail(StepName::Manifest, Verdict::Tampered, path, detail);
        }
    }
    if !steps.has(Verdict::Tampered) {
        let detail = format!("{} files as signed, none missing, none extra", lines.len());
        steps.pass(StepName::Manifest, bag::MANIFEST, detail);
    }
    Some(lines)
}

fn judge_lines(sums: &Sums, lines: &Lines, steps: &mut Steps) {
    let present: BTreeSet<&String> = sums.keys().filter(|path| path.starts_with(bag::DATA)).collect();
    for (path, digest) in lines {
        match sums.get(path) {
            None => steps.fail(StepName::Manifest, Verdict::Tampered, path, "missing"),
            Some(sum) if sum.digest != *digest => {
                steps.fail(StepName::Manifest, Verdict::Tampered, path, "changed since it was signed");
            }
            Some(_) => {}
        }
    }
    for path in present.into_iter().filter(|path| !lines.contains_key(*path)) {
        steps.fail(StepName::Manifest, Verdict::Tampered, path, "not in the manifest");
    }
}

/// Without a trusted signature files are only hashed and compared with the manifest beside them: a folder that
/// contradicts itself is tampered with, whoever signed it.
pub(super) fn judge_unsigned(files: &BTreeMap<String, Vec<u8>>, sums: &Sums, steps: &mut Steps) {
    let Some(manifest) = files.get(bag::MANIFEST) else { return };
    match bag::parse(manifest) {
        Ok(lines) => {
            judge_lines(sums, &lines, steps);
            if !steps.has(Verdict::Tampered) {
                let detail = format!("{} files agree with the manifest, which nobody trusted vouches for", lines.len());
                steps.pass(StepName::Manifest, bag::MANIFEST, detail);
            }
        }
        Err(error) => steps.fail(StepName::Manifest, Verdict::Tampered, bag::MANIFEST, error.to_string()),
    }
}
