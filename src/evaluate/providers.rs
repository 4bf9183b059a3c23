//! What a provider's documents answer for, while they are in force and on that provider's platform.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Declaration, Rules, waivers::Term};
use crate::{
    config::{At, ProviderDocument},
    digest::Digest,
    framework::path::glob,
};

/// Documents in force on the cluster's platform, by requirement (`cis-kubernetes/1.2.1`).
#[derive(Debug, Default)]
pub struct Inherited(BTreeMap<String, String>);

impl Inherited {
    /// The document that covers a requirement, in one clause with its date, its last day and its digest.
    pub fn of(&self, requirement: &str) -> Option<&str> {
        self.0.get(requirement).map(String::as_str)
    }
}

/// Which documents are in force on `platform` today, and what became of each.
pub fn documents(rules: &Rules, platform: Option<&str>, today: NaiveDate) -> (Inherited, Vec<Declaration>) {
    let asked: Vec<String> = rules
        .frameworks
        .iter()
        .flat_map(|selected| {
            let framework = &selected.framework;
            framework.requirements.iter().map(move |row| format!("{}/{}", framework.id, row.id))
        })
        .collect();
    let mut inherited = Inherited::default();
    let mut declarations = Vec::new();
    for document in &rules.providers.value.documents {
        let term = Term::of(Some(document.issued), document.until, today);
        let covered = || asked.iter().filter(|id| document.covers.iter().any(|pattern| glob(pattern, id)));
        let here = platform == Some(document.provider.as_str());
        let digest = rules.attested.get(&document.document).and_then(Option::as_ref);
        let applies: Vec<String> = if here { covered().cloned().collect() } else { Vec::new() };
        if let Some(digest) = digest.filter(|_| term.is_live()) {
            for requirement in &applies {
                inherited.0.entry(requirement.clone()).or_insert_with(|| clause(document, digest));
            }
        }
        let term = Standing { term, digest, platform, applies };
        declarations.push(declaration(&rules.providers.file, document, term));
    }
    (inherited, declarations)
}

fn clause(document: &ProviderDocument, digest: &Digest) -> String {
    let ProviderDocument { id, kind, issued, until, responsibility, .. } = document;
    format!(
        "{id}, {kind} of {issued}, relied on until {until}: {} (SHA256:{}…)",
        responsibility.trim(),
        digest.short(12)
    )
}

/// Where a document stands today.
struct Standing<'a> {
    term: Term,
    digest: Option<&'a Digest>,
    platform: Option<&'a str>,
    /// Requirements of the run that it covers, in force or not.
    applies: Vec<String>,
}

fn declaration(file: &str, document: &At<ProviderDocument>, standing: Standing<'_>) -> Declaration {
    let Standing { term, digest, platform, applies } = standing;
    let aside = if platform != Some(document.provider.as_str()) {
        format!("; this cluster runs on {}", platform.unwrap_or("no known platform"))
    } else if applies.is_empty() {
        "; it covers no requirement of this run".into()
    } else {
        String::new()
    };
    let state = match (digest, term.is_live()) {
        (None, _) => "missing",
        (Some(_), true) if applies.is_empty() => "unmatched",
        (Some(_), _) => term.state(),
    };
    let kept = digest.map_or_else(|| "which could not be read".into(), |digest| format!("SHA256:{}", digest.hex()));
    let ProviderDocument { provider, kind, document: name, issued, responsibility, .. } = &document.value;
    Declaration {
        kind: "provider".into(),
        id: document.id.clone(),
        at: format!("{file}:{}", document.line),
        state: state.into(),
        until: Some(document.until.to_string()),
        applies_to: if digest.is_some() && term.is_live() { applies } else { Vec::new() },
        note: format!("{provider}, {kind} of {issued}: {}; {name}, {kept}{aside}", responsibility.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{ProvidersFile, parse_yaml},
        framework::{Framework, Selected},
    };

    fn rules(entry: &str) -> Rules {
        let framework = "apiVersion: kubeproof.dev/v1\nid: cis-kubernetes\nversion: '2'\ntitle: t\nkind: benchmark\n\
                         source: s\nrequirements: [{id: 1.2.1, title: t, coverage: manual}, {id: 5.1.1, title: t, coverage: manual}]";
        let framework = parse_yaml::<Framework>("f.yaml", framework.as_bytes()).unwrap().value;
        let yaml = format!(
            "documents:\n  - {{id: P-1, provider: eks, kind: SOC 2, document: soc2.pdf, responsibility: control plane, {entry}}}\n"
        );
        Rules {
            frameworks: vec![Selected { framework, scope: None, note: None }],
            providers: parse_yaml::<ProvidersFile>("providers.yaml", yaml.as_bytes()).unwrap(),
            attested: [("soc2.pdf".to_string(), Some(Digest::of("soc2")))].into(),
            ..Rules::default()
        }
    }

    const GOOD: &str = "issued: 2026-03-01, until: 2027-02-28, covers: [cis-kubernetes/1.*]";

    fn states(rules: &Rules, platform: Option<&str>) -> (bool, String) {
        let (inherited, declared) = documents(rules, platform, "2026-11-23".parse().unwrap());
        (inherited.of("cis-kubernetes/1.2.1").is_some(), declared[0].state.clone())
    }

    #[test]
    fn a_document_covers_what_its_patterns_name_on_its_own_platform() {
        let rules = rules(GOOD);
        let (inherited, declared) = documents(&rules, Some("eks"), "2026-11-23".parse().unwrap());
        let said = inherited.of("cis-kubernetes/1.2.1").unwrap();
        assert!(
            said.starts_with("P-1, SOC 2 of 2026-03-01, relied on until 2027-02-28: control plane (SHA256:"),
            "{said}"
        );
        assert_eq!(inherited.of("cis-kubernetes/5.1.1"), None);
        let [one] = declared.as_slice() else { panic!("{declared:?}") };
        assert_eq!(
            (one.kind.as_str(), one.state.as_str(), one.at.as_str()),
            ("provider", "in force", "providers.yaml:2")
        );
        assert_eq!(one.applies_to, ["cis-kubernetes/1.2.1"]);
        assert!(one.note.ends_with(&Digest::of("soc2").hex()), "{}", one.note);
    }

    #[test]
    fn nothing_else_inherits() {
        assert_eq!(states(&rules(GOOD), Some("gke")), (false, "unmatched".into()));
        assert_eq!(states(&rules(GOOD), None), (false, "unmatched".into()));
        for (entry, state) in [
            ("issued: 2025-03-01, until: 2026-11-22, covers: [cis-kubernetes/1.*]", "expired"),
            ("issued: 2026-11-24, until: 2027-11-22, covers: [cis-kubernetes/1.*]", "not yet"),
            ("issued: 2026-03-01, until: 2027-02-28, covers: [cis-kubernetes/9.*]", "unmatched"),
        ] {
            assert_eq!(states(&rules(entry), Some("eks")), (false, state.into()), "{entry}");
        }
        let mut lost = rules(GOOD);
        lost.attested.clear();
        assert_eq!(states(&lost, Some("eks")), (false, "missing".into()));
        let (_, declared) = documents(&lost, Some("eks"), "2026-11-23".parse().unwrap());
        assert_eq!(declared[0].applies_to, Vec::<String>::new(), "what nobody can read applies to nothing");
    }
}
