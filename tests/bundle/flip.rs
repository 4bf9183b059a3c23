//! Any one byte of any file: never verified, and the file is named.

use std::collections::BTreeMap;

use kubeproof::bundle::{
    envelope, sigstore,
    verify::{self, LogFiles, Options, Trust, Verdict, Verification},
};
use proptest::prelude::*;

use super::draft::{Draft, PDF, keys};

/// What verification says of a whole bundle and its log.
fn judge(files: BTreeMap<String, Vec<u8>>, log: &BTreeMap<String, Vec<u8>>) -> Verification {
    let slots = log.values().enumerate().map(|(slot, bytes)| (slot as u64, bytes.clone()));
    let options = Options::at("2026-11-23T07:00:00Z".parse().expect("a time"));
    let trust = Trust::Key(keys().signing.public());
    verify::bundle("bundle", files.into(), &LogFiles::of(slots), &trust, &options).0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_changed_byte_is_never_verified(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), mask in 1_u8..) {
        thread_local!(static HONEST: Draft = Draft::honest());
        HONEST.with(|honest| {
            let mut files = honest.files.clone();
            let mut log = honest.log.clone();
            let paths: Vec<String> = files.keys().chain(log.keys()).cloned().collect();
            let path = file.get(&paths);
            let bytes = files.get_mut(path).or_else(|| log.get_mut(path)).expect("a file");
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            let verification = judge(files, &log);
            prop_assert_ne!(verification.result, Verdict::Verified);
            // The statement is stored twice: where only the alphabet of its base64 differs, the copy that no longer
            // follows from it is named.
            let names = |file: &str| verification.steps.iter().any(|step| !step.ok && step.subject.ends_with(file));
            let named = names(path) || (path == envelope::FILE && names(sigstore::FILE));
            prop_assert!(named, "{} byte {}: {:#?}", path, at, verification.steps);
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    /// A PDF that the trusted key signed may still be broken: it is judged, and nothing panics.
    #[test]
    fn a_broken_pdf_is_judged(at in any::<prop::sample::Index>(), mask in 1_u8.., cut in any::<prop::sample::Index>()) {
        let mut draft = Draft::honest();
        let mut pdf = draft.files[PDF].clone();
        let at = at.index(pdf.len());
        pdf[at] ^= mask;
        for broken in [pdf.clone(), pdf[..cut.index(pdf.len())].to_vec()] {
            draft.put(PDF, broken);
            draft.sign_data();
            let verification = judge(draft.files.clone(), &draft.log);
            prop_assert!(verification.steps.iter().all(|step| step.ok || step.subject == PDF), "{:#?}", verification.steps);
        }
    }
}
