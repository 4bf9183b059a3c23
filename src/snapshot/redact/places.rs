//! Places with rules of their own: annotations, ConfigMaps that are kept, references.

use serde_json::Value;

use super::{
    looks::{is_digest, is_trivial},
    rules::{class_of_name, class_of_shape, names_a_digest},
    text::class_of_text,
    token::Class,
};
use crate::snapshot::{AUDIT_TRAIL, IMAGE_SCAN, REPORTS, REPORTS_GROUP, VEX_DOCUMENT};

/// Parts of annotation keys under which tools keep a copy of the configuration that they applied.
const APPLIED: &[&str] =
    &["last-applied", "applied-configuration", "kapp.k14s.io/original", "objectset.rio.cattle.io/applied"];

/// Annotations whose keys end in a container's name, which says nothing of the profile beside it.
const PROFILES: &[&str] =
    &["container.apparmor.security.beta.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"];

/// ConfigMaps whose values are read by checks and hold configuration of the cluster, not of workloads.
const KEPT: &[(&str, &str)] = &[
    ("kube-system", "kubeadm-config"),
    ("kube-system", "kubelet-config"),
    ("kube-system", "kube-proxy"),
    ("kube-system", "extension-apiserver-authentication"),
    ("kube-system", "aws-auth"),
];

/// ConfigMaps of ingress controllers on nginx, in whatever namespace they were installed.
const KEPT_ANYWHERE: &[&str] =
    &["ingress-nginx-controller", "nginx-config", "nginx-configuration", "nginx-ingress-controller"];

/// Maps of fields that a driver defines, in kinds that Kubernetes defines.
const DRIVER_FIELDS: &[&str] = &["parameters", "options", "volumeAttributes"];

/// Maps below a credential's name in which the value stands elsewhere.
const ELSEWHERE: &[&str] = &["valueFrom", "secretKeyRef", "configMapKeyRef", "metadata", "status"];

/// Fields that name or point at a credential beside it.
const REFERENCES: &[&str] = &[
    "name",
    "namespace",
    "key",
    "kind",
    "apiVersion",
    "apiGroup",
    "group",
    "version",
    "optional",
    "property",
    "type",
    "provider",
    "store",
    "path",
    "mountPath",
    "username",
    "user",
];

/// Groups that Kubernetes itself defines.
pub(super) fn is_builtin_group(group: &str) -> bool {
    matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy" | "extensions") || group.ends_with(".k8s.io")
}

/// What scanners said and API servers logged, in fields of known meaning (`snapshot::scan`, `snapshot::reports`,
/// `snapshot::audit`): ids and versions that look random are what they are kept for.
pub(super) fn is_known(group: &str, kind: &str) -> bool {
    match group {
        "kubeproof.dev" => [IMAGE_SCAN, VEX_DOCUMENT, AUDIT_TRAIL].contains(&kind),
        REPORTS_GROUP => REPORTS.contains(&kind),
        _ => false,
    }
}

/// The map's fields are a driver's own.
pub(super) fn is_driver_fields(name: &str) -> bool {
    DRIVER_FIELDS.contains(&name)
}

/// The certificates of a CA and nothing else: public by purpose.
pub(super) fn is_certificates(text: &str) -> bool {
    let mut inside = false;
    text.trim_start().starts_with("-----BEGIN CERTIFICATE-----")
        && text.lines().map(str::trim).all(|line| match line {
            "-----BEGIN CERTIFICATE-----" => !std::mem::replace(&mut inside, true),
            "-----END CERTIFICATE-----" => std::mem::replace(&mut inside, false),
            line => line.is_empty() || inside && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)),
        })
        && !inside
}

/// The ConfigMap's values are kept, save for what looks like a credential in them.
pub(super) fn kept_config_map(namespace: &str, name: &str) -> bool {
    KEPT.contains(&(namespace, name)) || KEPT_ANYWHERE.contains(&name)
}

/// The class of an annotation's value by its key, or by what it holds.
pub(super) fn class_of_annotation(key: &str, text: &str) -> Option<Class> {
    if APPLIED.iter().any(|part| key.contains(part)) || holds_object(text) {
        return Some(Class::AppliedConfiguration);
    }
    if is_trivial(text) {
        return None;
    }
    if PROFILES.iter().any(|prefix| key.starts_with(prefix)) {
        return class_of_text(text);
    }
    if let Some(class) = class_of_name(key) {
        // `auth-secret: shop/basic-auth` names a Secret; it is hidden, but it is no credential in plain sight.
        let names_secret =
            key.ends_with("secret") && text.bytes().all(|b| b.is_ascii_lowercase() || b"-./".contains(&b));
        return Some(class_of_shape(text).unwrap_or(if names_secret { Class::ConfigValue } else { class }));
    }
    if names_a_digest(key) && is_digest(text) { class_of_shape(text) } else { class_of_text(text) }
}

/// A whole object as JSON.
fn holds_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && text.contains("\"kind\"")
        && serde_json::from_str::<Value>(text).is_ok_and(|v| v.get("kind").is_some() && v.get("apiVersion").is_some())
}

/// The map below this name points at a value instead of holding it.
pub(super) fn points_elsewhere(name: &str) -> bool {
    ELSEWHERE.contains(&name) || name.ends_with("Ref") || name.ends_with("Refs") || name.ends_with("Selector")
}

/// The field names a credential instead of being one.
pub(super) fn names_a_reference(name: &str) -> bool {
    REFERENCES.contains(&name) || name.ends_with("Name") || name.ends_with("Ref") || name.ends_with("Namespace")
}
