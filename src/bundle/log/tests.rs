use super::*;
use crate::bundle::log_origin;

fn leaf(n: u8) -> Leaf {
    Leaf::bundle(Digest([n; 32]), Digest([n ^ 0xff; 32]), &[]).unwrap()
}

fn chain(count: u8, key: &LogKey) -> Vec<Commit> {
    let mut commits = vec![Commit::first(leaf(0), &log_origin("shop-1a2b3c4d"), key)];
    for n in 1..count {
        let next = Commit::append(commits.last().unwrap(), leaf(n), key).unwrap();
        commits.push(next);
    }
    commits
}

#[test]
fn commits_verify_and_follow_each_other() {
    let key = LogKey::from_seed([7; 32]);
    let commits = chain(20, &key);
    for (index, commit) in commits.iter().enumerate() {
        let again = Commit::parse_and_verify(commit.bytes(), &log_origin("shop-1a2b3c4d"), &key.public()).unwrap();
        assert_eq!(&again, commit);
        assert_eq!(commit.index(), index as u64);
    }
    for pair in commits.windows(2) {
        assert_eq!(pair[1].consistent_with(&pair[0]), Consistency::Consistent);
    }
    assert_eq!(commits[9].consistent_with(&commits[3]), Consistency::Unknown);
}

#[test]
fn a_rewritten_history_contradicts() {
    let key = LogKey::from_seed([7; 32]);
    let honest = chain(5, &key);
    let mut forged = vec![Commit::first(leaf(9), honest[0].origin(), &key)];
    for n in 1..5 {
        let next = Commit::append(forged.last().unwrap(), leaf(n), &key).unwrap();
        forged.push(next);
    }
    assert_eq!(forged[4].consistent_with(&honest[4]), Consistency::Contradiction);
    assert_eq!(forged[4].consistent_with(&honest[3]), Consistency::Contradiction);
}

#[test]
fn another_origin_or_key_is_named() {
    let key = LogKey::from_seed([7; 32]);
    let commit = &chain(1, &key)[0];
    let other = Commit::parse_and_verify(commit.bytes(), &log_origin("bank-00000000"), &key.public()).unwrap_err();
    assert!(matches!(other, LogError::Origin { .. }), "{other}");
    let other = LogKey::from_seed([8; 32]).public();
    let error = Commit::parse_and_verify(commit.bytes(), commit.origin(), &other).unwrap_err();
    assert!(matches!(error, LogError::Signature { .. }), "{error}");
}

#[test]
fn unknown_leaf_types_are_kept_and_named() {
    let leaf = Leaf::parse(br#"{"type":"tombstone","v":1}"#).unwrap();
    assert_eq!(leaf.entry(), &Entry::Unknown { kind: "tombstone v1".to_owned() });
    assert!(Leaf::parse(br#"{"v":1, "type":"tombstone"}"#).is_err(), "not canonical");
    assert!(Leaf::parse(br#"{"pae":"","sig":"","tsr":[],"type":"bundle","v":1}"#).is_err(), "no digest");
}

#[test]
fn commit_files_have_ten_digits() {
    assert_eq!(commit_file(214), "0000000214.tlog-proof");
    assert_eq!(commit_slot("0000000214.tlog-proof"), Some(214));
    for name in ["214.tlog-proof", "0000000214.txt", "+000000214.tlog-proof", "", ".tlog-proof"] {
        assert_eq!(commit_slot(name), None, "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn any_changed_byte_is_refused(at in 0usize..4096, mask in 1u8..) {
        let key = LogKey::from_seed([7; 32]);
        let commit = chain(6, &key).pop().unwrap();
        let mut bytes = commit.bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= mask;
        proptest::prop_assert!(Commit::parse_and_verify(&bytes, commit.origin(), &key.public()).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), text in "(c2sp.org/tlog-proof@v1\n)?(extra [A-Za-z0-9+/=]{0,40}\n)?(index [0-9]{0,20}\n)?[ -~\n]{0,80}") {
        let key = LogKey::from_seed([7; 32]).public();
        for input in [bytes.as_slice(), text.as_bytes()] {
            proptest::prop_assert!(Commit::parse_and_verify(input, "kubeproof.dev/log/shop-1a2b3c4d", &key).is_err());
            let _ = Leaf::parse(input);
        }
    }
}
