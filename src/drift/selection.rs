//! A part of a comparison: what somebody asked to see.

use std::collections::BTreeSet;

use super::{Drift, FindingChangeKind};
use crate::{framework::Severity, resource::ResourceRef};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Exceptions that are new, gone or out of sight, and lists that were lost or found.
    Findings,
    /// Permissions gained and lost.
    Permissions,
    /// Objects added, removed and changed.
    Objects,
    /// Checks and frameworks.
    Rules,
}

/// What is asked for; nothing asked is everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Kinds of change.
    pub parts: BTreeSet<Part>,
    /// Findings from this severity on.
    pub severity: Option<Severity>,
    /// One namespace, itself included.
    pub namespace: Option<String>,
}

impl Selection {
    /// Drops what was not asked for.
    pub fn apply(&self, drift: &mut Drift) {
        let wants = |part| self.parts.is_empty() || self.parts.contains(&part);
        if !wants(Part::Objects) {
            drift.objects.clear();
            drift.left_out.clear();
        }
        if !wants(Part::Permissions) {
            drift.permissions.clear();
        }
        if !wants(Part::Findings) {
            drift.findings.clear();
            // A declaration says which findings and requirements are accepted.
            drift.declarations.clear();
            drift.sight.clear();
            drift.still = 0;
        }
        if !wants(Part::Rules) {
            drift.rules.clear();
        }
        drift.findings.retain(|change| self.severity.is_none_or(|least| change.severity >= least));
        let Some(namespace) = self.namespace.as_deref() else { return };
        let is_in = |resource: &ResourceRef| resource.within() == Some(namespace);
        drift.objects.retain(|change| is_in(&change.resource));
        drift.findings.retain(|change| is_in(&change.resource));
        drift.permissions.retain(|change| {
            change.gained.iter().chain(&change.lost).any(|grant| grant.namespace.as_deref() == Some(namespace))
        });
    }
}

impl Drift {
    /// A failure that nobody accepts came, or came back, and is at least this severe.
    pub fn has_new(&self, least: Severity) -> bool {
        let came = |kind| matches!(kind, FindingChangeKind::New | FindingChangeKind::Reopened);
        self.findings.iter().any(|change| came(change.change) && !change.accepted && change.severity >= least)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        drift::{Cause, DeclarationChange, FindingChange},
        evaluate::samples,
    };

    fn change(severity: Severity, kind: &str, namespace: Option<&str>, name: &str) -> FindingChange {
        let finding = samples::finding("c", kind, namespace, name);
        FindingChange {
            id: finding.id,
            check: finding.check,
            severity,
            resource: finding.resource,
            place: Arc::default(),
            change: FindingChangeKind::New,
            cause: Cause::Cluster,
            message: Arc::default(),
            owner: None,
            accepted: false,
        }
    }

    fn drift() -> Drift {
        let findings = vec![
            change(Severity::Critical, "Pod", Some("shop"), "a"),
            change(Severity::Low, "Namespace", None, "shop"),
            change(Severity::High, "Pod", Some("other"), "shop"),
        ];
        let lapsed = DeclarationChange {
            kind: "waiver".into(),
            id: "W-1".into(),
            before: Some("in force".into()),
            after: None,
            holds: false,
            applies_to: vec![],
        };
        Drift { findings, still: 4, declarations: vec![lapsed], ..Drift::default() }
    }

    fn names(selection: &Selection) -> Vec<String> {
        let mut drift = drift();
        selection.apply(&mut drift);
        drift.findings.iter().map(|change| change.resource.to_string()).collect()
    }

    #[test]
    fn a_namespace_is_selected_with_itself_and_not_with_its_namesakes() {
        assert_eq!(names(&Selection::default()).len(), 3);
        let shop = Selection { namespace: Some("shop".into()), ..Selection::default() };
        assert_eq!(names(&shop), ["Pod/shop/a", "Namespace/shop"]);
        let high = Selection { severity: Some(Severity::High), ..Selection::default() };
        assert_eq!(names(&high), ["Pod/shop/a", "Pod/other/shop"]);
        let rules = Selection { parts: [Part::Rules].into(), ..Selection::default() };
        assert_eq!(names(&rules), Vec::<String>::new());
        let mut left = drift();
        rules.apply(&mut left);
        assert_eq!((left.declarations.len(), left.still), (0, 0));
        let mut left = drift();
        Selection { parts: [Part::Findings].into(), ..Selection::default() }.apply(&mut left);
        assert_eq!((left.declarations.len(), left.still), (1, 4));
    }

    #[test]
    fn only_what_is_new_and_nobody_accepts_is_reached() {
        let mut drift = drift();
        assert!(drift.has_new(Severity::Critical));
        drift.findings[0].accepted = true;
        assert!(!drift.has_new(Severity::Critical) && drift.has_new(Severity::High));
        drift.findings[2].change = FindingChangeKind::Resolved;
        assert!(!drift.has_new(Severity::High));
    }
}
