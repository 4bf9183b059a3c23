//! Any one byte of any file: never verified, and the file is named.

use kubeproof::bundle::{
    envelope, sigstore,
    verify::{self, LogFiles, Options, Trust, Verdict},
};
use proptest::prelude::*;

use super::draft::{Draft, keys};

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
            let slots = log.iter().enumerate().map(|(slot, (_, bytes))| (slot as u64, bytes.clone()));
            let options = Options::at("2026-11-23T07:00:00Z".parse().expect("a time"));
            let trust = Trust::Key(keys().signing.public());
            let (verification, _) = verify::bundle("bundle", files.into(), &LogFiles::of(slots), &trust, &options);
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
