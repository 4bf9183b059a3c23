//! Whether a description is of the cluster that the run is about.

use std::net::IpAddr;

use serde_json::Value;

use super::super::Context;

/// Names below which a provider serves API servers and nothing else.
const ENDPOINTS: [&str; 3] = [".eks.amazonaws.com", ".azmk8s.io", ".gke.goog"];

/// Where a description names the API server.
const ADDRESSES: &[&str] = &[
    "/endpoint",
    "/privateClusterConfig/privateEndpoint",
    "/privateClusterConfig/publicEndpoint",
    "/controlPlaneEndpointsConfig/dnsEndpointConfig/endpoint",
    "/controlPlaneEndpointsConfig/ipEndpointsConfig/privateEndpoint",
    "/controlPlaneEndpointsConfig/ipEndpointsConfig/publicEndpoint",
    "/fqdn",
    "/privateFqdn",
];

/// Nothing where `described` is the run's cluster, else what speaks against it. The address of the API server decides
/// where both sides name one; inside a cluster it says nothing, and the names must agree.
pub(super) fn objection(described: &Value, context: &Context<'_>) -> Option<String> {
    let name = described.get("name").and_then(Value::as_str).unwrap_or_default();
    let known: Vec<String> =
        ADDRESSES.iter().filter_map(|at| described.pointer(at)?.as_str()).map(host).filter(|h| !h.is_empty()).collect();
    let ours = &context.cluster.name;
    let shown = shown(name);
    if let Some(server) = context.server.map(host) {
        if known.contains(&server) {
            return None;
        }
        if is_own_address(&server, &known) {
            return Some(format!("describes the cluster '{shown}', and this run reads {server}, which is another one"));
        }
    }
    (!is_named(ours, name)).then(|| {
        format!(
            "describes the cluster '{shown}', and this run is about '{ours}'; if they are the same, write the \
             provider's name as cluster.name in kubeproof.yaml"
        )
    })
}

/// A name out of a file as it may stand in a sentence: short, and without what moves a terminal's cursor.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The address tells clusters apart: a provider's own name for an API server, or a public address beside other ones.
fn is_own_address(server: &str, known: &[String]) -> bool {
    if ENDPOINTS.iter().any(|suffix| server.ends_with(suffix)) {
        return true;
    }
    is_public(server) && known.iter().any(|address| is_public(address))
}

fn is_public(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(v4)) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        Ok(IpAddr::V6(v6)) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
        Err(_) => false,
    }
}

/// The same name, also as the providers' programs write it into a kubeconfig: `arn:…:cluster/shop`,
/// `gke_project_zone_shop`, `user@shop.eu-west-1.eksctl.io`.
pub(super) fn is_named(ours: &str, name: &str) -> bool {
    let (ours, name) = (ours.to_lowercase(), name.to_lowercase());
    !name.is_empty()
        && (ours == name
            || ours.ends_with(&format!(":cluster/{name}"))
            || ours.starts_with("gke_") && ours.ends_with(&format!("_{name}"))
            || ours.ends_with(".eksctl.io") && ours.contains(&format!("@{name}.")))
}

/// The host of a URL or of an address without a scheme, in lower case.
fn host(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => rest.split(':').next().unwrap_or_default(),
    };
    host.to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        collect::ClusterIdentity,
        snapshot::{Sealer, Tokens},
    };

    fn objection(described: Value, name: &str, server: Option<&str>) -> Option<String> {
        let cluster = ClusterIdentity { name: name.into(), ..ClusterIdentity::default() };
        let sealer = Sealer::new(None, "", Tokens::Foreign);
        let now = chrono::DateTime::UNIX_EPOCH;
        super::objection(
            &described,
            &Context { sealer: &sealer, cluster: &cluster, server, nodes: None, wanted: Default::default(), now },
        )
    }

    #[test]
    fn the_address_decides_where_it_can() {
        let eks = || json!({"name": "shop", "endpoint": "https://AB12.gr7.eu-west-1.eks.amazonaws.com"});
        assert_eq!(objection(eks(), "prod", Some("https://ab12.gr7.eu-west-1.eks.amazonaws.com:443/")), None);
        let other = objection(eks(), "shop", Some("https://CD34.gr7.eu-west-1.eks.amazonaws.com"));
        assert!(other.unwrap().ends_with("which is another one"), "the name agrees, the address does not");
        let gke = || json!({"name": "shop", "endpoint": "35.1.2.3"});
        assert_eq!(objection(gke(), "x", Some("https://35.1.2.3")), None);
        assert!(objection(gke(), "shop", Some("https://34.9.9.9")).is_some(), "same name, another zone");
        let private =
            json!({"name": "shop", "endpoint": "35.1.2.3", "privateClusterConfig": {"privateEndpoint": "10.0.0.2"}});
        assert_eq!(objection(private, "x", Some("https://10.0.0.2")), None);
        let aks = json!({"name": "shop", "fqdn": "shop-1.hcp.westeurope.azmk8s.io"});
        assert!(objection(aks, "shop", Some("https://shop-2.hcp.westeurope.azmk8s.io:443")).is_some());
    }

    #[test]
    fn without_an_address_the_names_must_agree() {
        let described = || json!({"name": "shop", "endpoint": "https://ab.gr7.eu-west-1.eks.amazonaws.com"});
        for (name, server) in [
            ("shop", None),
            ("Shop", Some("https://10.100.0.1:443")),
            ("arn:aws:eks:eu-west-1:1:cluster/shop", None),
            ("ops@shop.eu-west-1.eksctl.io", None),
            ("gke_p_europe-west1_shop", Some("https://bastion.example.com")),
        ] {
            assert_eq!(objection(described(), name, server), None, "{name}");
        }
        for name in ["", "shop-2", "workshop", "prod", "x_shop"] {
            assert!(objection(described(), name, Some("https://10.100.0.1")).is_some(), "{name}");
        }
        assert!(objection(json!({"endpoint": "1.2.3.4"}), "", None).is_some(), "no name is no proof");
        let long = objection(json!({"name": format!("\u{1b}[2J{}", "x".repeat(9000))}), "shop", None).unwrap();
        assert!(long.len() < 300 && !long.contains('\u{1b}'), "{long}");
    }

    #[test]
    fn hosts_are_read_from_urls_and_addresses() {
        for (address, expected) in [
            ("https://A.example:6443/path", "a.example"),
            ("35.1.2.3", "35.1.2.3"),
            ("https://[fd00::1]:443", "fd00::1"),
            ("", ""),
        ] {
            assert_eq!(host(address), expected);
        }
    }
}
