//! What the providers' own programs print, and by which marks each print is known.

use serde_json::Value;

/// What one command of a provider prints.
#[derive(Debug)]
pub struct Printed {
    /// `eks`, `gke` or `aks`.
    pub provider: &'static str,
    /// Where checks find it: `cloud.<key>`.
    pub key: &'static str,
    /// The command, as a person types it.
    pub command: &'static str,
    /// Several files add up to one list.
    pub many: bool,
    /// The key that the program wraps around it.
    under: Option<&'static str>,
    /// Whether one item is what this command prints.
    fits: fn(&Value) -> bool,
    /// The cluster that an item says it belongs to.
    pub(super) cluster_of: fn(&Value) -> Option<&str>,
}

/// Every print that is read, the descriptions of clusters first of their provider.
pub const PRINTED: &[Printed] = &[
    one("eks", "cluster", "aws eks describe-cluster", Some("cluster"), |v| text(v, "arn").contains(":eks:")),
    Printed {
        cluster_of: |v| v.get("clusterName")?.as_str(),
        ..many("eks", "nodegroups", "aws eks describe-nodegroup", Some("nodegroup"), |v| has(v, "nodegroupArn"))
    },
    Printed {
        cluster_of: |v| v.as_str()?.split_once(":access-entry/")?.1.split('/').next(),
        ..many("eks", "accessEntries", "aws eks list-access-entries", Some("accessEntries"), |v| {
            v.as_str().is_some_and(|arn| arn.contains(":access-entry/"))
        })
    },
    Printed {
        cluster_of: |v| v.get("clusterName")?.as_str(),
        ..many("eks", "podIdentities", "aws eks list-pod-identity-associations", Some("associations"), |v| {
            has(v, "associationId")
        })
    },
    many("eks", "logGroups", "aws logs describe-log-groups", Some("logGroups"), |v| has(v, "logGroupName")),
    many("eks", "repositories", "aws ecr describe-repositories", Some("repositories"), |v| has(v, "repositoryArn")),
    many("eks", "repositoryPolicies", "aws ecr get-repository-policy", None, |v| {
        has(v, "policyText") && has(v, "repositoryName")
    }),
    one("eks", "scanning", "aws ecr get-registry-scanning-configuration", Some("scanningConfiguration"), |v| {
        has(v, "scanType")
    }),
    many(
        "eks",
        "nodeRolePolicies",
        "aws iam list-attached-role-policies --role-name NODE_ROLE",
        Some("AttachedPolicies"),
        |v| has(v, "PolicyArn"),
    ),
    one("gke", "cluster", "gcloud container clusters describe --format json", None, |v| {
        has(v, "currentMasterVersion")
            || has(v, "nodePools")
            || text(v, "selfLink").contains("container.googleapis.com")
    }),
    many("gke", "services", "gcloud services list --format json", None, |v| {
        text(v, "name").contains("/services/") && has(v, "state")
    }),
    one("gke", "iam", "gcloud projects get-iam-policy PROJECT --format json", None, |v| {
        v.get("bindings").is_some_and(Value::is_array) && !has(v, "policyText")
    }),
    many("gke", "subnets", "gcloud compute networks subnets describe --format json", None, |v| {
        text(v, "kind") == "compute#subnetwork"
    }),
    many("gke", "firewallRules", "gcloud compute firewall-rules list --format json", None, |v| {
        text(v, "kind") == "compute#firewall"
    }),
    one("aks", "cluster", "az aks show", None, |v| is_type(v, "microsoft.containerservice/managedclusters")),
    many("aks", "registries", "az acr show", None, |v| is_type(v, "microsoft.containerregistry/registries")),
    Printed {
        cluster_of: |v| after(v.get("id")?.as_str()?, "/managedclusters/"),
        ..many("aks", "diagnostics", "az monitor diagnostic-settings list --resource CLUSTER_ID", None, |v| {
            after(text(v, "id"), "/diagnosticsettings/").is_some()
        })
    },
    one("aks", "defender", "az security pricing show --name Containers", None, |v| {
        has(v, "pricingTier") && text(v, "name").eq_ignore_ascii_case("containers")
    }),
    many("aks", "roleAssignments", "az role assignment list --scope REGISTRY_ID --include-inherited", None, |v| {
        has(v, "roleDefinitionName") && has(v, "principalId")
    }),
];

const fn one(
    provider: &'static str,
    key: &'static str,
    command: &'static str,
    under: Option<&'static str>,
    fits: fn(&Value) -> bool,
) -> Printed {
    Printed { provider, key, command, many: false, under, fits, cluster_of: |_| None }
}

const fn many(
    provider: &'static str,
    key: &'static str,
    command: &'static str,
    under: Option<&'static str>,
    fits: fn(&Value) -> bool,
) -> Printed {
    Printed { many: true, ..one(provider, key, command, under, fits) }
}

impl Printed {
    /// The description of the cluster itself.
    pub fn is_cluster(&self) -> bool {
        self.key == "cluster"
    }
}

/// What is read of one provider.
pub fn printed_by(provider: &str) -> impl Iterator<Item = &'static Printed> {
    PRINTED.iter().filter(move |printed| printed.provider == provider)
}

/// Which command printed this, and the items in it; `None` for anything else.
pub(super) fn recognise(value: Value) -> Option<(&'static Printed, Vec<Value>)> {
    let printed = PRINTED.iter().find(|printed| {
        let Some(inner) = (match printed.under {
            Some(key) => value.get(key),
            None => Some(unwrapped(&value)),
        }) else {
            return false;
        };
        match inner {
            // An empty list says what it is of only where a key around it does.
            Value::Array(items) if items.is_empty() => printed.under.is_some() && printed.many,
            Value::Array(items) => items.iter().all(printed.fits),
            item => (printed.fits)(item),
        }
    })?;
    let inner = match (printed.under, value) {
        (Some(key), Value::Object(mut map)) => map.remove(key)?,
        (_, Value::Object(mut map)) if is_list_response(&map) => map.remove("value")?,
        (_, value) => value,
    };
    let items = match inner {
        Value::Array(items) => items,
        item => vec![item],
    };
    Some((printed, items))
}

/// Some commands of az print the list response of the service: `{"value": [...]}`.
fn unwrapped(value: &Value) -> &Value {
    match value {
        Value::Object(map) if is_list_response(map) => &map["value"],
        value => value,
    }
}

fn is_list_response(map: &serde_json::Map<String, Value>) -> bool {
    map.get("value").is_some_and(Value::is_array) && map.keys().all(|key| key == "value" || key == "nextLink")
}

fn has(value: &Value, key: &str) -> bool {
    value.get(key).is_some()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn is_type(value: &Value, name: &str) -> bool {
    text(value, "type").eq_ignore_ascii_case(name)
}

/// The segment of an Azure resource id after `mark`, whatever its case.
fn after<'a>(id: &'a str, mark: &str) -> Option<&'a str> {
    let at = id.to_ascii_lowercase().find(mark)? + mark.len();
    id.get(at..)?.split('/').next().filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_print_is_known_by_its_own_marks() {
        let id = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/shop";
        for (value, expected) in [
            (json!({"cluster": {"name": "shop", "arn": "arn:aws:eks:eu-west-1:1:cluster/shop"}}), "eks cluster 1"),
            (json!({"nodegroup": {"nodegroupArn": "arn", "clusterName": "shop"}}), "eks nodegroups 1"),
            (json!({"accessEntries": ["arn:aws:eks:r:1:access-entry/shop/role/1/ops/u"]}), "eks accessEntries 1"),
            (json!({"associations": [{"associationId": "a-1", "clusterName": "shop"}]}), "eks podIdentities 1"),
            (json!({"repositories": []}), "eks repositories 0"),
            (json!({"repositories": [{"repositoryArn": "a"}, {"repositoryArn": "b"}]}), "eks repositories 2"),
            (json!({"repositoryName": "r", "policyText": "{}"}), "eks repositoryPolicies 1"),
            (json!({"registryId": "1", "scanningConfiguration": {"scanType": "BASIC"}}), "eks scanning 1"),
            (json!({"AttachedPolicies": [{"PolicyName": "p", "PolicyArn": "a"}]}), "eks nodeRolePolicies 1"),
            (json!({"logGroups": [{"logGroupName": "/aws/eks/shop/cluster"}]}), "eks logGroups 1"),
            (json!({"name": "shop", "currentMasterVersion": "1.33"}), "gke cluster 1"),
            (json!([{"name": "a", "nodePools": []}, {"name": "b", "nodePools": []}]), "gke cluster 2"),
            (json!([{"name": "projects/1/services/x.googleapis.com", "state": "ENABLED"}]), "gke services 1"),
            (json!({"bindings": [{"role": "r", "members": []}], "etag": "x"}), "gke iam 1"),
            (json!([{"kind": "compute#firewall"}]), "gke firewallRules 1"),
            (json!({"kind": "compute#subnetwork"}), "gke subnets 1"),
            (json!({"type": "Microsoft.ContainerService/ManagedClusters", "name": "shop"}), "aks cluster 1"),
            (json!({"type": "Microsoft.ContainerRegistry/registries"}), "aks registries 1"),
            (
                json!({"value": [{"id": format!("{id}/providers/microsoft.insights/diagnosticSettings/d")}]}),
                "aks diagnostics 1",
            ),
            (json!({"name": "Containers", "pricingTier": "Free"}), "aks defender 1"),
            (json!([{"roleDefinitionName": "AcrPush", "principalId": "p"}]), "aks roleAssignments 1"),
        ] {
            let (printed, items) = recognise(value.clone()).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(format!("{} {} {}", printed.provider, printed.key, items.len()), expected);
        }
        assert_eq!((PRINTED[1].cluster_of)(&json!({"clusterName": "shop"})), Some("shop"));
        let diagnostics = PRINTED.iter().find(|printed| printed.key == "diagnostics").unwrap();
        assert_eq!((diagnostics.cluster_of)(&json!({"id": format!("{id}/providers/x")})), Some("shop"));
    }

    #[test]
    fn anything_else_is_nothing() {
        for value in [
            json!({}),
            json!([]),
            json!("shop"),
            json!({"value": []}),
            json!({"cluster": {"name": "shop"}}),
            json!({"cluster": "shop"}),
            json!({"apiVersion": "v1", "kind": "Pod"}),
            json!([{"name": "a", "nodePools": []}, {"name": "b"}]),
            json!({"nodegroup": {"nodegroupName": "n"}}),
        ] {
            assert!(recognise(value.clone()).is_none(), "{value}");
        }
    }

    #[test]
    fn every_key_of_a_provider_is_its_own() {
        let mut keys: Vec<_> = PRINTED.iter().map(|printed| (printed.provider, printed.key)).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
