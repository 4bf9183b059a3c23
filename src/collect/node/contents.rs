//! What the files hold that flags of the control plane name. Keys of an EncryptionConfiguration are masked here, and
//! whatever else looks like a credential when the report is sealed.

use serde_json::{Map, Value, json};

use super::{
    components::{Component, Components},
    root::{HostRoot, Lost},
    unknown, yaml,
};

/// What stands in a key's place.
const MASKED: &str = "masked";
/// Plug-ins whose configuration stands in a file of its own.
const MAX_PLUGINS: usize = 32;

/// Names in a report, the program and its flag.
const FILES: [(&str, &str, &str); 7] = [
    ("encryption", "kube-apiserver", "encryption-provider-config"),
    ("audit", "kube-apiserver", "audit-policy-file"),
    ("admission", "kube-apiserver", "admission-control-config-file"),
    ("authentication", "kube-apiserver", "authentication-config"),
    ("authorization", "kube-apiserver", "authorization-config"),
    ("scheduler", "kube-scheduler", "config"),
    ("etcd", "etcd", "config-file"),
];

/// Every file that a flag names; one that cannot be read is unknown, one that no flag names is left out.
pub(super) fn read(root: &HostRoot, components: &Components, control_plane: bool) -> Value {
    if let Some(lost) = &components.unseen {
        return unknown(lost.clone());
    }
    if control_plane && components.is_empty() {
        let reason = "the control plane is started by no static pod that a file of this node holds";
        return unknown(Lost::Unseen(reason.into()));
    }
    let named = FILES.iter().filter_map(|(name, program, flag)| {
        let component = components.get(program)?;
        Some(((*name).to_owned(), content(root, component, name, component.flag(flag)?)))
    });
    Value::Object(named.collect())
}

fn content(root: &HostRoot, component: &Component, name: &str, path: &str) -> Value {
    let read = component.on_node(path).and_then(|file| yaml(root, &file));
    match read {
        Ok(Value::Object(map)) => match name {
            "encryption" => encryption(&map),
            "admission" => admission(root, component, path, map),
            _ => Value::Object(map),
        },
        Ok(_) => unknown(Lost::Unseen(format!("{path}: is no configuration"))),
        Err(Lost::Absent) => unknown(Lost::Unseen(format!("{path}: is named by a flag and not there"))),
        Err(lost) => unknown(lost),
    }
}

/// Only what is known to be no key is copied, so that no spelling of a key slips through.
fn encryption(config: &Map<String, Value>) -> Value {
    let resources = config.get("resources").and_then(Value::as_array).into_iter().flatten();
    let resources: Vec<Value> = resources
        .map(|entry| {
            let providers = entry["providers"].as_array().into_iter().flatten().filter_map(Value::as_object);
            json!({"resources": entry["resources"], "providers": providers.map(provider).collect::<Vec<_>>()})
        })
        .collect();
    let text = |field: &str| config.get(field).and_then(Value::as_str);
    json!({"apiVersion": text("apiVersion"), "kind": text("kind"), "resources": resources})
}

fn provider(provider: &Map<String, Value>) -> Value {
    const KMS: [&str; 5] = ["apiVersion", "name", "endpoint", "timeout", "cachesize"];
    let shown = provider.iter().map(|(name, settings)| {
        let shown = match (name.as_str(), settings) {
            ("kms", Value::Object(kms)) => kms
                .iter()
                .filter(|(field, _)| KMS.contains(&field.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            (_, Value::Object(settings)) if settings.contains_key("keys") => {
                let keys = settings["keys"].as_array().into_iter().flatten();
                let keys: Vec<Value> = keys.map(|key| json!({"name": key["name"], "secret": MASKED})).collect();
                json!({"keys": keys})
            }
            _ => json!({}),
        };
        (name.clone(), shown)
    });
    Value::Object(shown.collect())
}

/// A plug-in's configuration may stand in a file beside; the API server reads it there too.
fn admission(root: &HostRoot, component: &Component, path: &str, mut config: Map<String, Value>) -> Value {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let plugins = config.get_mut("plugins").and_then(Value::as_array_mut).into_iter().flatten();
    for plugin in plugins.take(MAX_PLUGINS).filter_map(Value::as_object_mut) {
        let Some(named) = plugin.get("path").and_then(Value::as_str).filter(|path| !path.is_empty()) else { continue };
        if plugin.get("configuration").is_some_and(|configuration| !configuration.is_null()) {
            continue;
        }
        let named = if named.starts_with('/') { named.to_owned() } else { format!("{folder}/{named}") };
        let read = component.on_node(&named).and_then(|file| yaml(root, &file));
        let configuration = read.unwrap_or_else(|lost| match lost {
            Lost::Absent => unknown(Lost::Unseen(format!("{named}: is named by {path} and not there"))),
            lost => unknown(lost),
        });
        plugin.insert("configuration".into(), configuration);
    }
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_key_survives() {
        let config = json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "extra": "S1",
            "resources": [{"resources": ["secrets"], "providers": [
                {"aescbc": {"keys": [{"name": "k1", "secret": "S2", "Secret": "S3", "old": "S4"}], "seed": "S5"}},
                {"secretbox": {"keys": "S6"}}, {"aesgcm": "S7"}, {"future": {"material": "S8"}},
                {"kms": {"apiVersion": "v2", "name": "vault", "endpoint": "unix:///kms.sock", "token": "S9"}},
                {"identity": {}}, "S0"]}]});
        let shown = encryption(config.as_object().unwrap());
        let text = shown.to_string();
        assert!((0..10).all(|n| !text.contains(&format!("S{n}"))), "{text}");
        let providers = &shown["resources"][0]["providers"];
        assert_eq!(providers[0], json!({"aescbc": {"keys": [{"name": "k1", "secret": "masked"}]}}));
        assert_eq!(providers[4], json!({"kms": {"apiVersion": "v2", "name": "vault", "endpoint": "unix:///kms.sock"}}));
        assert_eq!(providers[5], json!({"identity": {}}));
        for odd in [json!({}), json!({"resources": 1}), json!({"resources": [1, null]})] {
            assert!(encryption(odd.as_object().unwrap())["resources"].is_array());
        }
    }
}
