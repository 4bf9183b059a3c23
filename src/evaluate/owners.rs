//! Who owns what: teams by namespace, and owners of requirements.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::{OwnersFile, RequirementOwner},
    resource::ResourceRef,
    snapshot::Snapshot,
};

/// Label on namespaces that names the team, where owners.yaml names no other.
const TEAM_LABEL: &str = "app.kubernetes.io/team";

/// The teams of a cluster's namespaces, and who owns which requirement.
#[derive(Debug)]
pub struct Owners<'a> {
    teams: BTreeMap<&'a str, Arc<str>>,
    requirements: BTreeMap<&'a str, &'a RequirementOwner>,
}

impl<'a> Owners<'a> {
    /// The file wins over the label.
    pub fn new(file: &'a OwnersFile, snapshot: &'a Snapshot) -> Self {
        let label = file.label.as_deref().unwrap_or(TEAM_LABEL);
        let namespaces = snapshot.objects.iter().filter(|o| o.gvk.group.is_empty() && o.gvk.kind == "Namespace");
        let mut teams: BTreeMap<&str, Arc<str>> = namespaces
            .filter_map(|namespace| {
                let value = namespace.value();
                let team = value["metadata"]["labels"].get(label)?.as_str()?;
                Some((namespace.name.as_str(), team.into()))
            })
            .collect();
        for team in &file.teams {
            let name: Arc<str> = team.name.as_str().into();
            teams.extend(team.namespaces.iter().map(|namespace| (namespace.as_str(), Arc::clone(&name))));
        }
        let requirements = file.requirements.iter().map(|owner| (owner.id.as_str(), owner)).collect();
        Self { teams, requirements }
    }

    /// The team that owns a resource; a namespace belongs to its own team.
    pub fn of(&self, resource: &ResourceRef) -> Option<Arc<str>> {
        self.teams.get(resource.within()?).cloned()
    }

    /// The company's own control id, and the owner of a requirement (`pci-dss/1.3.1`).
    pub fn requirement(&self, id: &str) -> (Option<String>, Option<String>) {
        match self.requirements.get(id) {
            Some(owner) => (owner.company_control.clone(), owner.owner.clone()),
            None => (None, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::samples::{finding, namespace, snapshot};

    #[test]
    fn the_file_wins_over_the_label_and_the_label_may_be_another() {
        let snapshot = snapshot(
            vec![
                namespace("shop", &[(TEAM_LABEL, "label-team"), ("team", "other")]),
                namespace("ops", &[(TEAM_LABEL, "ops")]),
            ],
            vec![],
        );
        let text = "teams: [{name: team-shop, namespaces: [shop]}]";
        let file = crate::config::parse_yaml::<OwnersFile>("owners.yaml", text.as_bytes()).unwrap().value;
        let owners = Owners::new(&file, &snapshot);
        let of =
            |kind: &str, namespace: Option<&str>, name: &str| owners.of(&finding("c", kind, namespace, name).resource);
        assert_eq!(of("Deployment", Some("shop"), "cart").as_deref(), Some("team-shop"));
        assert_eq!(of("Namespace", None, "ops").as_deref(), Some("ops"));
        assert_eq!(of("ClusterRole", None, "ops"), None);

        let file = OwnersFile { label: Some("team".into()), ..OwnersFile::default() };
        let owners = Owners::new(&file, &snapshot);
        assert_eq!(owners.of(&finding("c", "Pod", Some("shop"), "x").resource).as_deref(), Some("other"));
        assert_eq!(owners.of(&finding("c", "Pod", Some("ops"), "x").resource), None);
    }

    #[test]
    fn requirements_have_the_companys_own_control() {
        let text = "requirements: [{id: pci-dss/1.3.1, companyControl: NET-07, owner: team-network}]";
        let file = crate::config::parse_yaml::<OwnersFile>("owners.yaml", text.as_bytes()).unwrap().value;
        let snapshot = snapshot(vec![], vec![]);
        let owners = Owners::new(&file, &snapshot);
        assert_eq!(owners.requirement("pci-dss/1.3.1"), (Some("NET-07".into()), Some("team-network".into())));
        assert_eq!(owners.requirement("pci-dss/1.3.2"), (None, None));
    }
}
