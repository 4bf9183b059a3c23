//! `versions.yaml`: how long each minor version of Kubernetes gets repairs.

use chrono::NaiveDate;
use serde::Deserialize;

use super::{Minor, RuleFiles};
use crate::config::{API_VERSION, LoadError, parse_yaml};

/// The file's place among the rules.
const FILE: &str = "versions.yaml";

/// Known minor versions, as of one day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// `kubeproof.dev/v1`.
    pub api_version: String,
    /// The day on which the dates were gathered.
    pub date: NaiveDate,
    /// Where they come from.
    pub source: String,
    /// One entry for each minor version, oldest first.
    pub kubernetes: Vec<Release>,
}

/// One minor version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// `1.34`.
    pub minor: Minor,
    /// The day of its first release.
    pub released: NaiveDate,
    /// The last day on which it gets repairs.
    pub end_of_life: NaiveDate,
}

impl Versions {
    /// The table among the rules; `None` where they have none.
    ///
    /// # Errors
    /// What cannot be read, and dates or an order that make no sense.
    pub fn load(files: &RuleFiles) -> Result<Option<Self>, LoadError> {
        let Some(bytes) = files.get(FILE) else { return Ok(None) };
        let table = parse_yaml::<Self>(FILE, bytes)?.value;
        let wrong = |message: String| LoadError::file(FILE, message);
        if table.api_version != API_VERSION {
            return Err(wrong(format!("apiVersion '{}' is not known", table.api_version))
                .hint(format!("this program reads {API_VERSION}")));
        }
        if let Some(release) = table.kubernetes.iter().find(|release| release.end_of_life <= release.released) {
            return Err(wrong(format!("{} ends before it begins", release.minor)).hint("endOfLife is after released"));
        }
        if let Some(pair) = table.kubernetes.windows(2).find(|pair| pair[0].minor >= pair[1].minor) {
            let message = format!("{} stands after {}", pair[1].minor, pair[0].minor);
            return Err(wrong(message).hint("each minor version once, oldest first"));
        }
        Ok(Some(table))
    }

    /// The entry of a minor version.
    pub fn release(&self, minor: Minor) -> Option<&Release> {
        self.kubernetes.iter().find(|release| release.minor == minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::embedded;

    fn load(text: &str) -> Result<Option<Versions>, LoadError> {
        Versions::load(&[(FILE.to_string(), text.into())].into())
    }

    const HEAD: &str = "apiVersion: kubeproof.dev/v1\ndate: 2026-11-25\nsource: s\nkubernetes:\n";
    const ROW: &str = "  - {minor: \"1.36\", released: 2026-04-22, endOfLife: 2027-06-28}\n";

    #[test]
    fn the_embedded_table_has_no_gap() {
        let table = Versions::load(&embedded()).unwrap().unwrap();
        let minors: Vec<u32> = table.kubernetes.iter().map(|release| release.minor.0).collect();
        assert_eq!(minors, (28..=37).collect::<Vec<_>>());
        // The project repairs each version for fourteen months, and three to four of them at once.
        for release in &table.kubernetes {
            let days = (release.end_of_life - release.released).num_days();
            assert!((400..=460).contains(&days), "{}: {days} days", release.minor);
        }
        let alive = table.kubernetes.iter().filter(|release| release.end_of_life >= table.date).count();
        assert!((3..=4).contains(&alive), "{alive}");
        assert!(table.kubernetes.iter().all(|release| release.released <= table.date));
    }

    #[test]
    fn no_file_is_no_table() {
        assert_eq!(Versions::load(&RuleFiles::new()).unwrap(), None);
        let table = load(&format!("{HEAD}{ROW}")).unwrap().unwrap();
        assert_eq!(table.release(Minor(36)).map(|release| release.end_of_life.to_string()), Some("2027-06-28".into()));
        assert_eq!(table.release(Minor(37)), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let later = ROW.replace("1.36", "1.37");
        for (text, part) in [
            (format!("{HEAD}{ROW}{ROW}"), "1.36 stands after 1.36"),
            (format!("{HEAD}{later}{ROW}"), "1.36 stands after 1.37"),
            (format!("{HEAD}{}", ROW.replace("2027", "2025")), "1.36 ends before it begins"),
            (format!("{HEAD}{}", ROW.replace("endOfLife", "eol")), "eol"),
            (format!("{HEAD}{}", ROW.replace("1.36", "36")), "not a Kubernetes version"),
            (format!("{HEAD}{}", ROW.replace("2026-04-22", "April")), ""),
            (format!("{HEAD}{ROW}").replace("/v1", "/v2"), "'kubeproof.dev/v2' is not known"),
            (format!("{HEAD}{ROW}").replace("source: s\n", ""), "source"),
        ] {
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
