//! Redaction as others see it: through the sealer.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PREFIX, RedactionKey, Tokens, class_of, rules::class_of_shape, token::Class};
use crate::snapshot::Sealer;

fn sealer(tokens: Tokens) -> Sealer {
    Sealer::new(Some(RedactionKey::generate([7; 32])), "uid", tokens)
}

fn seal(object: Value) -> Value {
    sealer(Tokens::Foreign).seal(object, "r", None).unwrap().value()
}

fn class_at(object: &Value, pointer: &str) -> Option<Class> {
    class_of(
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}: {object}")),
    )
}

fn deployment(pod: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"template": {"spec": pod}}})
}

#[test]
fn every_env_literal_is_replaced_and_classified() {
    let sealed = seal(deployment(json!({"containers": [{"name": "app", "env": [
        {"name": "LOG_LEVEL", "value": "info"},
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "DB", "value": "postgres://app:pw@db/shop"},
        {"name": "DSN", "value": "$(DB_DSN)"},
        {"name": "EMPTY", "value": ""},
        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    ]}]})));
    let env = sealed.pointer("/spec/template/spec/containers/0/env").unwrap();
    assert_eq!(class_at(env, "/0/value"), Some(Class::ConfigValue));
    assert_eq!(class_at(env, "/1/value"), Some(Class::Password));
    assert_eq!(class_at(env, "/2/value"), Some(Class::UrlUserinfo));
    assert_eq!(env[3]["value"], "$(DB_DSN)");
    assert_eq!(env[4]["value"], "");
    assert_eq!(env[5]["valueFrom"]["secretKeyRef"], json!({"name": "db", "key": "password"}));
}

#[test]
fn a_flag_at_the_end_of_command_speaks_of_the_first_argument() {
    let sealed = seal(deployment(
        json!({"containers": [{"name": "c", "command": ["client", "--password"], "args": ["hunter2", "--verbose"]}]}),
    ));
    let container = sealed.pointer("/spec/template/spec/containers/0").unwrap();
    assert_eq!(class_at(container, "/args/0"), Some(Class::Password));
    assert_eq!(container["args"][1], "--verbose");
}

#[test]
fn a_secret_keeps_metadata_type_and_key_names() {
    let sealed = seal(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "db"},
        "data": {"password": "aHVudGVyMg=="}, "stringData": {"user": "app", "port": 5432}, "extra": "hunter2",
    }));
    assert_eq!(class_at(&sealed, "/data/password"), Some(Class::Secret));
    assert_eq!(class_at(&sealed, "/stringData/user"), Some(Class::Secret));
    assert_eq!(class_at(&sealed, "/stringData/port"), Some(Class::Secret));
    assert_eq!(sealed.get("extra"), None);
    assert_eq!(sealed["type"], "Opaque");
}

#[test]
fn config_maps_keep_keys_and_the_kept_ones_their_values() {
    let config_map = |namespace: &str, name: &str, text: &str| {
        seal(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"f": text}}),
        )
    };
    assert_eq!(class_at(&config_map("shop", "app", "colour: blue"), "/data/f"), Some(Class::ConfigValue));
    assert_eq!(class_at(&config_map("shop", "app", "postgres://u:p@db"), "/data/f"), Some(Class::UrlUserinfo));
    assert_eq!(class_at(&config_map("shop", "kubeadm-config", "colour: blue"), "/data/f"), Some(Class::ConfigValue));
    let ingress = config_map("web", "ingress-nginx-controller", "TLSv1.2 TLSv1.3");
    assert_eq!(ingress["data"]["f"], "TLSv1.2 TLSv1.3");
    let url = config_map("web", "ingress-nginx-controller", "postgres://u:hunter2@db");
    assert!(!url["data"]["f"].as_str().unwrap().contains("hunter2"), "{url}");
    let kept = config_map("kube-system", "kubeadm-config", "clusterName: prod\ntoken: abcdef.0123456789abcdef\n");
    let text = kept["data"]["f"].as_str().unwrap();
    assert!(text.starts_with("clusterName: prod\ntoken: redacted:v1:") && !text.contains("abcdef.0123"), "{text}");
}

#[test]
fn applied_configuration_is_one_token() {
    let sealed = seal(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {
        "kubectl.kubernetes.io/last-applied-configuration": "{\"x\": 1}",
        "other.tool/original": "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
        "checksum/secret": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "prometheus.io/scrape": "true",
        "tool/api-token": "abc",
    }}}));
    let annotations = &sealed["metadata"]["annotations"];
    let class = |key: &str| class_of(annotations[key].as_str().unwrap());
    assert_eq!(class("kubectl.kubernetes.io/last-applied-configuration"), Some(Class::AppliedConfiguration));
    assert_eq!(class("other.tool/original"), Some(Class::AppliedConfiguration));
    assert_eq!(class("checksum/secret"), None);
    assert_eq!(class("tool/api-token"), Some(Class::Token));
    assert_eq!(annotations["prometheus.io/scrape"], "true");
}

#[test]
fn references_and_selectors_of_kubernetes_stay() {
    let pod = json!({
        "serviceAccountName": "cart-token-reader",
        "imagePullSecrets": [{"name": "registry-credentials"}],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        "affinity": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "secret-zone", "operator": "In", "values": ["a"]}]}]}}},
        "volumes": [
            {"name": "s", "secret": {"secretName": "tls-secret", "items": [{"key": "tls.key", "path": "tls.key"}]}},
            {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "vault"}}]}},
        ],
        "containers": [{"name": "app", "image": "registry.example.com/shop/cart@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}],
    });
    assert_eq!(seal(deployment(pod.clone()))["spec"]["template"]["spec"], pod);
}

#[test]
fn profiles_and_quotas_of_things_called_secret_stay() {
    let profile = "container.apparmor.security.beta.kubernetes.io/secret-rotator";
    let pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {profile: "unconfined"}}});
    assert_eq!(seal(pod.clone()), pod);
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"secrets": "20000"}}});
    assert_eq!(seal(quota.clone()), quota);
}

#[test]
fn rbac_and_webhooks_stay() {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "token-reader"},
        "rules": [{"apiGroups": [""], "resources": ["secrets", "serviceaccounts/token"], "resourceNames": ["db-password"], "verbs": ["get"]}]});
    assert_eq!(seal(role.clone()), role);
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "h"},
        "webhooks": [{"name": "a.b.c", "clientConfig": {"caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJ4VENDQVd1Z0F3SUJBZ0lSQUo5eDhLZAo=", "url": "https://hook.example.com/x"}}]});
    assert_eq!(seal(hook.clone()), hook);
}

#[test]
fn custom_kinds_lose_what_their_field_names_say() {
    let sealed = seal(json!({"apiVersion": "example.com/v1", "kind": "Database", "metadata": {"name": "d"}, "spec": {
        "password": "hunter2", "token": "abc", "key": "def", "clientSecret": {"value": "ghi"},
        "passwordSecretRef": {"name": "db", "key": "password"}, "secretName": "db", "replicas": 3, "engine": "postgres",
        "auth": {"user": "app", "password": {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}},
        "parameters": [{"name": "db.password", "value": "jkl"}],
    }}));
    for pointer in
        ["/spec/password", "/spec/token", "/spec/key", "/spec/clientSecret/value", "/spec/parameters/0/value"]
    {
        assert!(class_at(&sealed, pointer).is_some_and(Class::is_credential), "{pointer}");
    }
    assert_eq!(sealed["spec"]["passwordSecretRef"], json!({"name": "db", "key": "password"}));
    assert_eq!(sealed["spec"]["auth"]["password"]["valueFrom"]["secretKeyRef"], json!({"name": "a", "key": "b"}));
    assert_eq!(sealed["spec"]["secretName"], "db");
    assert_eq!(sealed["spec"]["engine"], "postgres");
}

#[test]
fn a_token_in_foreign_input_is_redacted_again_and_in_trusted_input_stays() {
    let fake = "redacted:v1:-:config-value:-";
    let object = deployment(
        json!({"hostname": fake, "containers": [{"name": "a", "args": [fake, format!("--x={fake}")], "env": [{"name": "A", "value": fake}]}]}),
    );
    let foreign = sealer(Tokens::Foreign).seal(object.clone(), "r", None).unwrap();
    assert!(!foreign.json.contains(fake), "{}", foreign.json);
    let trusted = sealer(Tokens::Trusted).seal(object.clone(), "r", None).unwrap();
    assert_eq!(trusted.value(), object);
    let malformed = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "redacted", "annotations": {"a": "redacted:v1:-:password:hunter2"}}});
    let sealed = sealer(Tokens::Trusted).seal(malformed, "r", None).unwrap();
    assert!(!sealed.json.contains("hunter2"), "{}", sealed.json);
}

#[test]
fn tokens_keep_when_list_items_move_and_change_with_the_object() {
    let env = |names: [&str; 2]| {
        let env: Vec<Value> = names.iter().map(|n| json!({"name": n, "value": format!("v-{n}")})).collect();
        seal(deployment(json!({"containers": [{"name": "app", "env": env}]})))
    };
    let value = |object: &Value, index: usize| {
        object["spec"]["template"]["spec"]["containers"][0]["env"][index]["value"].clone()
    };
    let (forward, backward) = (env(["A", "B"]), env(["B", "A"]));
    assert_eq!(value(&forward, 0), value(&backward, 1));
    assert_ne!(value(&forward, 0), value(&forward, 1));
}

/// Values that look like what people leak: opaque strings, cloud keys, JWTs, PEM, passwords of several kinds.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][A-Z][0-9][a-z][0-9][A-Z][a-z][0-9]([a-z][0-9][A-Z]){4,9}",
        "AKIA[A-Z0-9]{16}",
        "ghp_[A-Za-z0-9]{36}",
        "eyJ[A-Za-z0-9_-]{20}\\.eyJ[A-Za-z0-9_-]{30}\\.[A-Za-z0-9_-]{30}",
        "[0-9a-f]{15}7[a-f][0-9a-f]{23}",
        "-----BEGIN RSA PRIVATE KEY-----\n[A-Za-z0-9+/]{64}\n-----END RSA PRIVATE KEY-----\n",
    ]
}

/// Passwords as people choose them, planted only where the place itself gives them away.
fn password() -> impl Strategy<Value = String> {
    prop_oneof![
        secret(),
        "[A-Z][a-z]{5,9}[0-9]{2}!",
        "[a-z]{4,8}-[a-z]{4,8}-[a-z]{4,8}",
        "[0-9]{6,12}",
        "[a-z ]{8,20}x"
    ]
}

fn planted(place: usize, secret: &str) -> Value {
    let container = |extra: Value| {
        let mut container = json!({"name": "app", "image": "app:1"});
        container.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap());
        deployment(json!({"containers": [container]}))
    };
    let custom = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec});
    let annotated = |key: &str, value: String| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": {key: value}}, "spec": {}});
    match place {
        0 => container(json!({"env": [{"name": "MODE", "value": secret}]})),
        1 => container(json!({"args": [format!("--db-password={secret}")]})),
        2 => container(json!({"command": ["run", "--token", secret]})),
        3 => container(
            json!({"livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": secret}]}}}),
        ),
        4 => annotated("kubectl.kubernetes.io/last-applied-configuration", json!({"x": secret}).to_string()),
        5 => annotated("example.com/api-token", secret.to_owned()),
        6 => {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"app.conf": format!("a=1\nb={secret}\n")}})
        }
        7 => json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}, "stringData": {"k": secret}}),
        8 => custom(json!({"password": secret})),
        9 => custom(json!({"deep": [{"token": secret}]})),
        10 => custom(json!({"key": secret})),
        11 => custom(json!({"credentials": {"user": "x", "value": secret}})),
        12 => custom(json!({"resources": [{"apiVersion": "v1", "kind": "Secret", "data": {"k": secret}}]})),
        13 => custom(json!({"values": {"env": {"ANY": secret}}})),
        14 => {
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "s"}, "parameters": {"restuserkey": secret}})
        }
        15 => json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"message": secret}}),
        // From here on only the value's own look gives it away.
        16 => container(json!({"args": ["serve", secret]})),
        17 => container(json!({"command": ["sh", "-c", format!("login {secret} && run")]})),
        18 => container(json!({"volumes": [], "lifecycle": {"preStop": {"exec": {"command": ["notify", secret]}}}})),
        19 => custom(json!({"users": {secret: "admin"}, "text": format!("log in with {secret}")})),
        20 => {
            custom(json!({"args": [{"deep": secret}, {"password": 1}], "env": [format!("A={secret}"), {"x": secret}]}))
        }
        21 => {
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {"csi": {"volumeAttributes": {"x": secret}}}})
        }
        22 => {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubeadm-config", "namespace": "kube-system"}, "data": {"f": format!("a: b\nx: {secret}\n{secret}: y\n")}})
        }
        23 => {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": secret}, "managedFields": [{"manager": secret}]}})
        }
        _ if place == 24 => annotated("example.com/note", format!("use {secret} to log in")),
        _ => custom(json!({"anything": secret})),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_planted_secret_never_shows(place in 0_usize..26, secret in secret(), password in password()) {
        let planted_value = if place < 16 { &password } else { &secret };
        let sealed = sealer(Tokens::Foreign).seal(planted(place, planted_value), "r", None).unwrap();
        let shown = format!("{} {:?}", sealed.json, sealed.managers);
        // A key is hidden by its shape alone.
        prop_assume!(place != 19 || class_of_shape(planted_value).is_some());
        prop_assert!(!shown.contains(planted_value.trim_end()), "place {place}: {shown}");
        for line in planted_value.lines().filter(|l| l.len() >= 16 && !l.starts_with("-----")) {
            prop_assert!(!sealed.json.contains(line), "place {place}: {}", sealed.json);
        }
    }

    #[test]
    fn user_information_in_a_url_never_shows(user in "[a-z]{3,8}", password in "[A-Za-z0-9!$%^*_-]{6,20}", place in 0_usize..26) {
        let url = format!("https://{user}:{password}@db.example.com/shop");
        let sealed = sealer(Tokens::Foreign).seal(planted(place, &url), "r", None).unwrap();
        prop_assert!(!sealed.json.contains(&format!(":{password}@")), "place {place}: {}", sealed.json);
    }

    #[test]
    fn sealing_a_sealed_object_again_changes_nothing(place in 0_usize..26, password in password()) {
        let once = sealer(Tokens::Foreign).seal(planted(place, &password), "r", None).unwrap();
        let twice = sealer(Tokens::Trusted).seal(once.value(), "r", None).unwrap();
        prop_assert_eq!(&once.json, &twice.json);
        prop_assert_eq!(once.digest, twice.digest);
    }
}

#[test]
fn numbers_under_a_credentials_name_and_certificates() {
    let sealed = seal(
        json!({"apiVersion": "example.com/v1", "kind": "W", "metadata": {"name": "w"}, "spec": {"password": 123456, "replicas": 123456}}),
    );
    assert_eq!(class_at(&sealed, "/spec/password"), Some(Class::Password));
    assert_eq!(sealed["spec"]["replicas"], 123_456);
    let certificate =
        "-----BEGIN CERTIFICATE-----\nMIIBxTCCAWugAwIBAgIRAJ9x8Kd02LmQp01ZzTqABCD=\n-----END CERTIFICATE-----\n";
    let data = json!({"ca.crt": certificate, "smuggled": format!("{certificate}hunter2")});
    let sealed =
        seal(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": data}));
    assert_eq!(sealed["data"]["ca.crt"], certificate);
    assert_eq!(class_at(&sealed, "/data/smuggled"), Some(Class::ConfigValue));
}

#[test]
fn a_kubelet_configuration_stays_as_it_is() {
    let text = "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  anonymous:\n    enabled: false\n  webhook:\n    cacheTTL: 0s\n    enabled: true\n  x509:\n    clientCAFile: /etc/kubernetes/pki/ca.crt\nauthorization:\n  mode: Webhook\nauthorizer: {mode: Webhook}\nrotateCertificates: true\nserverTLSBootstrap: true\ntlsCipherSuites: [TLS_AES_128_GCM_SHA256]\nstaticPodPath: /etc/kubernetes/manifests\n";
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubelet-config", "namespace": "kube-system"}, "data": {"kubelet": text}});
    assert_eq!(seal(object)["data"]["kubelet"], text);
}

#[test]
fn what_an_object_is_called_says_no_more_than_its_json() {
    let object =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "https://u:hunter2@h", "namespace": "n"}});
    let sealed = sealer(Tokens::Foreign).seal(object, "r", None).unwrap();
    assert_eq!(class_of(&sealed.name), Some(Class::UrlUserinfo));
}

#[test]
fn without_a_key_tokens_carry_only_the_class() {
    let sealer = Sealer::new(None, "uid", Tokens::Foreign);
    let sealed = sealer.seal(planted(8, "hunter2"), "r", None).unwrap();
    assert_eq!(sealed.value()["spec"]["password"], format!("{PREFIX}-:password:-"));
}
