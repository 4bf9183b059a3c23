//! `data/results/` of a bundle says of each framework what `data/evaluation.json` says, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    StepName, Verdict,
    content::{Members, member, not_read, same_version},
    steps::Steps,
};
use crate::{
    bundle::{bag, statement::Predicate},
    canonical,
    evaluate::results::{self, Results},
};

/// How the files stand to the evaluation.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    Follows,
    Differs(&'static str),
    /// Another version wrote it in a form that is not known here.
    Unknown,
}

/// Holds the files against the evaluation, of which only the small members are read. Returns how many there are: a
/// bundle of a version that wrote none has none.
pub(super) fn judge(
    files: &BTreeMap<String, Vec<u8>>,
    evaluation: Option<&(&[u8], Members)>,
    predicate: &Predicate,
    steps: &mut Steps,
) -> usize {
    let below = files.range(bag::RESULTS.to_owned()..).take_while(|(path, _)| path.starts_with(bag::RESULTS));
    let found: BTreeMap<&str, &[u8]> = below.map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    // Without an evaluation there is nothing to hold them against, and its own check says so.
    let Some((bytes, members)) = evaluation.filter(|_| !found.is_empty()) else { return found.len() };
    let is_own = same_version(predicate);
    let expected = match expected(bytes, members) {
        Ok(expected) => expected,
        Err(_) if !is_own => {
            not_read(bag::RESULTS, predicate, steps);
            return found.len();
        }
        Err(error) => {
            steps.fail(StepName::Content, Verdict::Tampered, bag::RESULTS, error);
            return found.len();
        }
    };
    let paths: BTreeSet<&str> = found.keys().copied().chain(expected.keys().map(String::as_str)).collect();
    for path in paths {
        match stand(found.get(path).copied(), expected.get(path), is_own) {
            Stand::Follows => {}
            Stand::Unknown => not_read(path, predicate, steps),
            Stand::Differs(detail) => steps.fail(StepName::Content, Verdict::Tampered, path, detail),
        }
    }
    found.len()
}

/// What follows from the evaluation, by bag path.
fn expected(bytes: &[u8], members: &Members) -> Result<BTreeMap<String, Results>, String> {
    let frameworks: Vec<_> = member(bytes, members, "frameworks")?;
    let (requirements, checks): (Vec<_>, Vec<_>) =
        (member(bytes, members, "requirements")?, member(bytes, members, "checks")?);
    let results = results::of(&frameworks, &requirements, &checks);
    Ok(results.into_iter().map(|(name, results)| (format!("{}{name}", bag::RESULTS), results)).collect())
}

/// The same version writes the same bytes; of another one what is read must be the same.
fn stand(found: Option<&[u8]>, expected: Option<&Results>, is_own: bool) -> Stand {
    match (found, expected) {
        (None, _) => Stand::Differs("missing, and data/evaluation.json is about this framework too"),
        (Some(_), None) if !is_own => Stand::Unknown,
        (Some(_), None) => Stand::Differs("data/evaluation.json is not about this framework"),
        (Some(found), Some(expected)) => match results::read(found) {
            _ if is_own && canonical::to_vec(expected).is_ok_and(|bytes| bytes == found) => Stand::Follows,
            Ok(read) if !is_own && read == *expected => Stand::Follows,
            Err(_) if !is_own => Stand::Unknown,
            Ok(_) | Err(_) => Stand::Differs("says otherwise than data/evaluation.json"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::FrameworkResult;

    fn results() -> Results {
        let (id, version, title) = ("pss".to_owned(), "1".to_owned(), "t".to_owned());
        let framework = FrameworkResult { id, version, title, selected: true, note: None, scope: None };
        results::of(&[framework], &[], &[]).remove("pss.json").unwrap()
    }

    #[test]
    fn one_version_writes_one_form_and_another_may_write_more() {
        let own = results();
        let bytes = canonical::to_vec(&own).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let more = text.replacen("{\"checks\"", "{\"added\":1,\"checks\"", 1).into_bytes();
        let other = text.replacen("\"title\":\"t\"", "\"title\":\"u\"", 1).into_bytes();
        let newer = text.replacen("results/v1", "results/v2", 1).into_bytes();
        let differs = |stand: Stand| matches!(stand, Stand::Differs(_));
        for is_own in [true, false] {
            assert_eq!(stand(Some(&bytes), Some(&own), is_own), Stand::Follows);
            assert!(differs(stand(Some(&other), Some(&own), is_own)) && differs(stand(None, Some(&own), is_own)));
        }
        assert!(differs(stand(Some(&more), Some(&own), true)) && differs(stand(Some(&bytes), None, true)));
        assert!(differs(stand(Some(&newer), Some(&own), true)));
        assert_eq!(stand(Some(&more), Some(&own), false), Stand::Follows, "what is known of it is the same");
        assert_eq!(stand(Some(&newer), Some(&own), false), Stand::Unknown);
        assert_eq!(stand(Some(&bytes), None, false), Stand::Unknown);
    }
}
