//! Objects of kubeproof's own group that hold a node's files and configuration. Names of roles, flags and fields are
//! what checks read, so only values that look like credentials go.

use serde_json::{Map, Value};

use super::{
    Redactor, Tokens,
    args::value_class,
    looks::{is_digest, is_path, is_trivial, looks_random},
    places::is_certificates,
    rules::{class_of_name, class_of_shape},
    text::class_of_text,
    token::{Class, class_of},
};

/// The kind that has parts; the other one is a configuration as a whole.
const REPORT: &str = "NodeReport";
/// What stands in an encryption key's place since before the report left its node.
const MASKED: &str = "masked";
/// Maps of settings that are no KubeletConfiguration: the name of each says what its value is.
const FLAGS: &str = "flags";
/// Parts of a report that name files, people and times: nothing in them is a setting.
const FACTS: [&str; 7] = ["schema", "kubeproof", "name", "layout", "readAt", "files", "certificates"];

/// Whether an object of this group and kind is judged here.
pub(super) fn is_own(group: &str, kind: &str) -> bool {
    group == "kubeproof.dev" && matches!(kind, REPORT | "KubeletConfig")
}

impl Redactor {
    /// Redacts the whole object; in `spec` tokens stay, since the node that put them there could as well have left the
    /// value out.
    pub(super) fn own(&mut self, object: &mut Map<String, Value>) {
        self.custom = false;
        let report = object.get("kind").is_some_and(|kind| kind == REPORT);
        let reading = if report { Reading::Parts } else { Reading::Settings };
        for (part, value) in object.iter_mut() {
            let depth = self.enter(part);
            match (part.as_str(), value) {
                ("spec", Value::Object(spec)) => {
                    let tokens = std::mem::replace(&mut self.tokens, Tokens::Trusted);
                    self.own_map(spec, reading);
                    self.tokens = tokens;
                }
                (_, value) => self.value(value, None),
            }
            self.path.truncate(depth);
        }
    }

    fn own_map(&mut self, map: &mut Map<String, Value>, reading: Reading) {
        self.keys(map);
        for (name, value) in map.iter_mut() {
            let depth = self.enter(name);
            let (below, class) = match reading {
                Reading::Parts if FACTS.contains(&name.as_str()) => (Reading::Facts, None),
                Reading::Parts if name == "kubelet" => (Reading::Kubelet, None),
                Reading::Kubelet if name == FLAGS => (Reading::Flags, None),
                Reading::Parts | Reading::Kubelet => (Reading::Settings, None),
                Reading::Facts => (reading, None),
                Reading::Flags => (reading, value.as_str().and_then(|text| value_class(name, text))),
                Reading::Settings => (reading, class_of_name(name)),
            };
            self.own_value(value, class, below);
            self.path.truncate(depth);
        }
    }

    /// `class` is what the name says of a value, or of the values of a list.
    fn own_value(&mut self, value: &mut Value, class: Option<Class>, reading: Reading) {
        match value {
            Value::Object(map) => self.own_map(map, reading),
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let depth = self.enter_item(index, item);
                    self.own_value(item, class, reading);
                    self.path.truncate(depth);
                }
            }
            Value::String(text) => {
                if let Some(class) = own_class(text, class, reading) {
                    self.replace(class, text);
                }
            }
            Value::Number(number) => {
                let mut text = number.to_string();
                if let Some(class) = class.filter(|_| !is_trivial(&text)) {
                    self.replace(class, &mut text);
                    *value = Value::String(text);
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }
}

/// What the texts of a part are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The spec of a report.
    Parts,
    /// `kubelet`.
    Kubelet,
    /// Flags by name.
    Flags,
    /// Fields of a configuration.
    Settings,
    /// Paths, modes, names, times.
    Facts,
}

fn own_class(text: &str, named: Option<Class>, reading: Reading) -> Option<Class> {
    if is_certificates(text) || text == MASKED || class_of(text).is_some() {
        return None;
    }
    if let Some(class) = class_of_shape(text) {
        return Some(class);
    }
    match reading {
        Reading::Facts | Reading::Parts | Reading::Kubelet => None,
        Reading::Flags => named.or_else(|| random(text)),
        Reading::Settings => {
            let named = named.filter(|_| !is_trivial(text) && !is_path(text));
            let words = || if text.contains(char::is_whitespace) { class_of_text(text) } else { random(text) };
            named.or_else(words)
        }
    }
}

fn random(text: &str) -> Option<Class> {
    (looks_random(text) && !is_path(text) && !is_digest(text)).then_some(Class::Token)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::snapshot::{RedactionKey, Sealer};

    fn sealed(kind: &str, spec: &Value, tokens: Tokens) -> Value {
        let object = json!({"apiVersion": "kubeproof.dev/v1", "kind": kind, "metadata": {"name": "n1"}, "spec": spec});
        Sealer::new(Some(RedactionKey::generate([7; 32])), "uid", tokens).seal(object, "r", None).unwrap().value()["spec"]
            .take()
    }

    /// Everything that checks read.
    fn readable() -> Value {
        json!({
            "name": "cp-1", "controlPlane": true, "bootId": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
            "files": {
                "pki-private": [{"name": "/etc/kubernetes/pki/sa.key", "mode": "0600", "owner": "root", "type": "file"}],
                "kubelet-kubeconfig": [{"name": "/var/lib/kubelet/pki/kubelet-client-2026-11-23-06-00-00.pem", "mode": "0600"}],
                "admin-kubeconfig": {"$unknown": "/etc/kubernetes/admin.conf: Permission denied (os error 13)"},
            },
            "certificates": [{"name": "/etc/kubernetes/pki/ca.crt", "subject": "CN=kubernetes", "issuer": "O=tokens,CN=secret-ca"}],
            "kubelet": {
                "flags": {"bootstrap-kubeconfig": "/etc/kubernetes/bootstrap-kubelet.conf", "rotate-certificates": "true",
                    "tls-private-key-file": "/var/lib/kubelet/pki/kubelet.key", "authentication-token-webhook": "true",
                    "tls-cipher-suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384",
                    "feature-gates": "RotateKubeletServerCertificate=true", "hostname-override": "cp-1",
                    "authentication-token-webhook-cache-ttl": "2m0s"},
                "config": {"authentication": {"anonymous": {"enabled": false}, "webhook": {"cacheTTL": "0s", "enabled": true},
                        "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}},
                    "authorization": {"mode": "Webhook"}, "imagePullCredentialsVerificationPolicy": "NeverVerifyPreloadedImages",
                    "configMapAndSecretChangeDetectionStrategy": "Watch", "tlsPrivateKeyFile": "/var/lib/kubelet/pki/kubelet.key", "streamingConnectionIdleTimeout": "4h0m0s",
                    "tlsCipherSuites": ["TLS_AES_128_GCM_SHA256"], "featureGates": {"KubeletServiceAccountTokenForCredentialProviders": true}},
            },
            "configFiles": {
                "encryption": {"resources": [{"resources": ["secrets"], "providers": [
                    {"aescbc": {"keys": [{"name": "key1", "secret": "masked"}]}}, {"identity": {}},
                    {"kms": {"name": "vault", "endpoint": "unix:///var/run/kmsplugin/socket.sock", "apiVersion": "v2"}}]}]},
                "audit": {"rules": [{"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "tokenreviews"]}]}]},
                "authentication": {"jwt": [{"issuer": {"url": "https://issuer.example.com", "audiences": ["kubernetes"]},
                    "claimValidationRules": [{"expression": "claims.exp - claims.nbf <= 86400"}]}]},
                "authorization": {"authorizers": [{"type": "Webhook", "webhook": {"connectionInfo": {"type": "KubeConfigFile",
                    "kubeConfigFile": "/etc/kubernetes/authz.conf"}}}]},
            },
        })
    }

    #[test]
    fn what_checks_read_stays_as_it_is() {
        let readable = readable();
        assert_eq!(sealed("NodeReport", &readable, Tokens::Foreign), readable);
        let config = readable["kubelet"]["config"].clone();
        assert_eq!(sealed("KubeletConfig", &config, Tokens::Foreign), config);
    }

    /// A pointer to a place, a value that is planted there, and the text that must not remain.
    const PLANTED: &[(&str, &str, &str)] = &[
        (
            "/configFiles/encryption/resources/0/providers/0/aescbc/keys/0/secret",
            "c2VjcmV0IGlzIHNlY3VyZSBJcyBpdD8=",
            "c2Vj",
        ),
        ("/kubelet/flags/bootstrap-kubeconfig", "https://node:hunter2@host/x", "hunter2"),
        ("/kubelet/flags/node-token", "abcdef.hunter2", "hunter2"),
        ("/kubelet/flags/node-labels", "AKIAIOSFODNN7EXAMPLE", "AKIA"),
        ("/kubelet/flags/v", "Xa9Kd82LmQp01ZzTq", "Xa9K"),
        ("/kubelet/config/password", "hunter2", "hunter2"),
        ("/kubelet/config/clusterDomain", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "eyJ"),
        ("/configFiles/audit/token", "hunter2-abc", "hunter2"),
        ("/configFiles/authorization/note", "login --password hunter2 now", "hunter2"),
        (
            "/configFiles/admission/client-key-data",
            "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB",
            "LS0t",
        ),
        ("/files/pki-private/0/name", "/etc/https://u:hunter2@h", "hunter2"),
        ("/certificates/0/subject", "CN=-----BEGIN PRIVATE KEY-----", "BEGIN"),
        ("/bootId", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_"),
    ];

    fn plant(value: &mut Value, pointer: &str, text: Value) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut at = value;
        for name in parent.split('/').skip(1) {
            at = match at {
                Value::Array(items) => &mut items[name.parse::<usize>().unwrap()],
                map => &mut map[name],
            };
        }
        at[name] = text;
    }

    #[test]
    fn planted_secrets_are_gone_wherever_they_stand() {
        for (pointer, text, needle) in PLANTED {
            let mut spec = readable();
            plant(&mut spec, pointer, json!(text));
            let sealed = sealed("NodeReport", &spec, Tokens::Foreign).to_string();
            assert!(!sealed.contains(needle), "{pointer}: {sealed}");
        }
        let mut spec = readable();
        plant(
            &mut spec,
            "/kubelet/config/staticPodURLHeader",
            json!({"X-Token": ["hunter2"], "Other": ["Bearer hunter2hunter2"]}),
        );
        plant(
            &mut spec,
            "/kubelet/config/users",
            json!([{"user": {"token": "hunter2", "client-key-data": "hunter2x"}}]),
        );
        plant(&mut spec, "/kubelet/flags/https:~1~1u:hunter2@h", json!("x"));
        spec["kubelet"]["flags"]["https://u:hunter2@h"] = "x".into();
        spec["kubelet"]["flags"].as_object_mut().unwrap().remove("https:~1~1u:hunter2@h");
        let sealed = sealed("NodeReport", &spec, Tokens::Foreign).to_string();
        assert!(!sealed.contains("hunter2"), "{sealed}");
    }

    #[test]
    fn the_whole_of_a_kubelets_answer_is_settings() {
        let planted = json!({"password": "hunter2", "apiToken": 1_234_567, "a": {"secret": ["hunter2"]},
            "clusterDomain": "https://u:hunter2@h", "note": "token: hunter2"});
        let sealed = sealed("KubeletConfig", &planted, Tokens::Foreign).to_string();
        assert!(!sealed.contains("hunter2") && !sealed.contains("1234567"), "{sealed}");
    }

    #[test]
    fn what_stands_beside_the_spec_is_redacted_as_everywhere() {
        let object = json!({"apiVersion": "kubeproof.dev/v1", "kind": "NodeReport", "spec": {},
            "metadata": {"name": "n1", "annotations": {"example.com/api-token": "hunter2", "x": "redacted:v1:-:hunter2:-"}}});
        let sealed = Sealer::new(None, "", Tokens::Foreign).seal(object, "r", None).unwrap();
        assert!(!sealed.json.contains("hunter2"), "{}", sealed.json);
    }

    #[test]
    fn other_kinds_of_the_group_are_no_business_of_this_rule() {
        assert!(!is_own("kubeproof.dev", "CloudAccount"));
        assert!(!is_own("example.com", "NodeReport"));
    }

    #[test]
    fn tokens_of_the_node_stay_once_and_are_not_redacted_again() {
        let spec = json!({"kubelet": {"flags": {"node-token": "redacted:v1:-:token:-"}, "config": {}}});
        assert_eq!(sealed("NodeReport", &spec, Tokens::Foreign), spec);
        assert_eq!(sealed("NodeReport", &spec, Tokens::Trusted), spec);
    }
}
