//! Evidence files of attestations that changed after somebody signed for them: a word about one file is no word about
//! another.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use crate::{
    canonical,
    config::{AttestationsFile, parse_yaml},
    evaluate::rules::{CHANGED, Changed},
    framework::RuleFiles,
};

/// The rules of this run, with what changed since those of the earlier one. It stands until the attestation has a new
/// date.
pub(super) fn with_changes(mut rules: RuleFiles, earlier: Option<&RuleFiles>) -> RuleFiles {
    let changed = earlier.map(|earlier| changed(earlier, &rules)).unwrap_or_default();
    // Texts and lists of texts, which JSON always holds.
    if let (false, Ok(bytes)) = (changed.is_empty(), canonical::to_vec(&changed)) {
        rules.insert(CHANGED.into(), bytes);
    }
    rules
}

fn changed(earlier: &RuleFiles, now: &RuleFiles) -> Changed {
    let (before, after) = (attestations(earlier), attestations(now));
    let (old, new) = (digests(earlier), digests(now));
    let known: Changed = json(earlier, CHANGED);
    let mut changed = Changed::new();
    for attestation in &after.attestations {
        let same = before.attestations.iter().find(|other| other.id == attestation.id && other.on == attestation.on);
        if same.is_none() {
            continue;
        }
        let differs = |name: &&String| matches!((old.get(*name), new.get(*name)), (Some(a), Some(b)) if a != b);
        let files = attestation.files.iter().filter(differs).cloned();
        let files: BTreeSet<String> = files.chain(known.get(&attestation.id).into_iter().flatten().cloned()).collect();
        if !files.is_empty() {
            changed.insert(attestation.id.clone(), files);
        }
    }
    changed
}

fn attestations(rules: &RuleFiles) -> AttestationsFile {
    let bytes = rules.get("attestations.yaml").map(Vec::as_slice).unwrap_or_default();
    parse_yaml("attestations.yaml", bytes).map(|located| located.value).unwrap_or_default()
}

/// Digest by name; `null` where the file was missing.
fn digests(rules: &RuleFiles) -> BTreeMap<String, Option<String>> {
    let digests: BTreeMap<String, Option<String>> = json(rules, "attested.json");
    digests.into_iter().filter(|(_, digest)| digest.is_some()).collect()
}

fn json<T: DeserializeOwned + Default>(rules: &RuleFiles, name: &str) -> T {
    rules.get(name).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(on: &str, digest: Option<&str>) -> RuleFiles {
        let yaml = format!(
            "attestations:\n  - {{id: A, requirement: pci-dss/1.2.7, statement: s, by: b, on: {on}, until: 2027-01-01, files: [r.pdf]}}\n"
        );
        let index = serde_json::json!({"r.pdf": digest}).to_string();
        [("attestations.yaml".to_string(), yaml.into_bytes()), ("attested.json".to_string(), index.into_bytes())].into()
    }

    fn names(rules: &RuleFiles) -> Vec<String> {
        json::<Changed>(rules, CHANGED)
            .into_iter()
            .flat_map(|(id, files)| files.into_iter().map(move |f| format!("{id} {f}")))
            .collect()
    }

    #[test]
    fn a_changed_file_stays_changed_until_somebody_signs_again() {
        let signed = rules("2026-06-01", Some("sha256:aa"));
        assert!(names(&with_changes(signed.clone(), None)).is_empty(), "nothing to compare with");
        assert!(names(&with_changes(signed.clone(), Some(&signed))).is_empty());
        let swapped = with_changes(rules("2026-06-01", Some("sha256:bb")), Some(&signed));
        assert_eq!(names(&swapped), ["A r.pdf"]);
        let later = with_changes(rules("2026-06-01", Some("sha256:bb")), Some(&swapped));
        assert_eq!(names(&later), ["A r.pdf"], "the next run still knows");
        let again = with_changes(rules("2026-07-01", Some("sha256:bb")), Some(&later));
        assert!(names(&again).is_empty());
        let missing = with_changes(rules("2026-06-01", None), Some(&signed));
        assert!(names(&missing).is_empty(), "a missing file is missing, which is said elsewhere");
    }
}
