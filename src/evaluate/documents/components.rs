//! Control-plane components, from their mirror pods and the files that their flags name.

use std::collections::BTreeMap;

use super::{Document, Made, reports::Report};
use crate::{
    evaluate::{
        Evidence,
        related::document,
        settings::{self, File, Flag},
        value::Node,
    },
    framework::{Minor, check::On},
    snapshot::{Object, component_of},
};

/// What files hold, by the flag that names them and the part of a node report that has their content.
const FILES: &[(&str, &str)] = &[
    ("admission-control-config-file", "admission"),
    ("audit-policy-file", "audit"),
    ("authentication-config", "authentication"),
    ("authorization-config", "authorization"),
    ("encryption-provider-config", "encryption"),
];

/// Every instance of every component.
pub(super) fn components(made: &Made<'_>, reports: &BTreeMap<String, Report>) -> Vec<Document> {
    let instances = made.snapshot.objects.iter().filter_map(|object| Some((component_of(object)?, object)));
    instances.map(|(component, object)| instance(made, component, object, reports)).collect()
}

fn instance(made: &Made<'_>, component: &str, object: &Object, reports: &BTreeMap<String, Report>) -> Document {
    let pod = document(object);
    let containers = pod.at(&["spec", "containers"]).map(Node::items).unwrap_or_default();
    let named = |node: &Node| node.get("name").and_then(Node::as_str) == Some(component);
    let index = containers.iter().position(named).unwrap_or(0);
    let empty = Node::map([]);
    let container = containers.get(index).unwrap_or(&empty);
    let rows = made.tables.defaults.map_or(&[][..], |defaults| defaults.component(component));
    let home = format!("/spec/containers/{index}/command");
    let arguments = arguments(container, index);
    let flags = settings::flags(&arguments, rows);
    let node = pod.at(&["spec", "nodeName"]).and_then(Node::as_str).unwrap_or_default();
    let report = reports.get(node);
    let sources = Sources { component, container, flags: &flags, report };

    let kubernetes = version(container).or(made.kubernetes());
    let mut known: BTreeMap<String, Node> = rows
        .iter()
        .map(|row| {
            let name = &row.name.value;
            let value = sources
                .elsewhere(name)
                .unwrap_or_else(|| settings::of_component(row, &flags, sources.file(), kubernetes, &home));
            (name.clone(), value)
        })
        .collect();
    for flag in &flags {
        let text = flag.text.as_deref().unwrap_or("true");
        known.entry(flag.name.clone()).or_insert_with(|| settings::setting(Node::text(text), true, "flag", &flag.at));
    }
    let text = |key: &str, value: &str| (key.to_string(), Node::text(value));
    let files = FILES.iter().filter_map(|(flag, part)| Some(((*part).to_string(), sources.content(flag, part)?)));
    let node_document = Node::map([
        text("name", &object.name),
        text("component", component),
        text("node", node),
        ("settings".to_string(), Node::map(known)),
        ("files".to_string(), Node::map(files)),
    ]);
    let own = Evidence::of(object);
    Document {
        on: On::Component(component.into()),
        resource: object.reference(),
        node: node_document,
        base: "",
        evidence: [own].into_iter().chain(report.map(|report| report.evidence.clone())).collect(),
    }
}

/// Command and arguments with their JSON Pointers.
fn arguments(container: &Node, index: usize) -> Vec<(String, &str)> {
    let list = |key: &'static str| {
        let items = container.get(key).map(Node::items).unwrap_or_default();
        let at = move |(at, item): (usize, _)| (format!("/spec/containers/{index}/{key}/{at}"), item);
        items.iter().filter_map(Node::as_str).enumerate().map(at)
    };
    list("command").chain(list("args")).collect()
}

/// The minor version in a component's image tag: during an upgrade it is not the cluster's.
fn version(container: &Node) -> Option<Minor> {
    let image = container.get("image").and_then(Node::as_str)?;
    let tag = image.split('@').next()?.rsplit_once(':')?.1;
    tag.strip_prefix('v')?.parse().ok()
}

/// Where settings of one instance come from, beside its flags.
struct Sources<'a> {
    component: &'a str,
    container: &'a Node,
    flags: &'a [Flag],
    report: Option<&'a Report>,
}

impl<'a> Sources<'a> {
    fn flag(&self, name: &str) -> Option<&'a Flag> {
        self.flags.iter().rev().find(|flag| flag.name == name)
    }

    /// The file that `--config` names.
    fn file(&self) -> File<'a> {
        match (self.component, self.flag("config"), self.report) {
            ("kube-scheduler", Some(_), Some(report)) => match report.spec.at(&["configFiles", "scheduler"]) {
                Some(Node::Unknown(_)) | None => {
                    File::Unknown("--config names a file that the node's report does not hold")
                }
                Some(content) => File::Read(content, "/spec/configFiles/scheduler"),
            },
            ("kube-scheduler", Some(_), None) => File::Unknown("--config names a file, and no node report holds it"),
            _ => File::None,
        }
    }

    /// etcd takes all of its settings from a configuration file, where it is given one, and else some from its environment.
    fn elsewhere(&self, name: &str) -> Option<Node> {
        if self.component != "etcd" {
            return None;
        }
        if self.flag("config-file").is_some() {
            return Some(match self.report.and_then(|report| report.spec.at(&["configFiles", "etcd"])) {
                Some(content) if content.unknown_reason().is_none() => match content.get(name) {
                    Some(value) => {
                        settings::setting(value.clone(), true, "file", &format!("/spec/configFiles/etcd/{name}"))
                    }
                    None => return None,
                },
                _ => Node::unknown("--config-file names a file that no node report holds"),
            });
        }
        let variable = format!("ETCD_{}", name.replace('-', "_").to_uppercase());
        let environment = self.container.get("env").map(Node::items).unwrap_or_default();
        let named = |entry: &&Node| entry.get("name").and_then(Node::as_str) == Some(variable.as_str());
        let given = self.flag(name).is_none() && environment.iter().any(|entry| named(&entry));
        given.then(|| Node::unknown(format!("{variable} sets it, and values of the environment are redacted")))
    }

    /// What the file holds that `flag` names; `None` where no flag names one.
    fn content(&self, flag: &str, part: &str) -> Option<Node> {
        let named = self.flag(flag)?;
        let path = named.text.as_deref().unwrap_or_default();
        let held = self.report.and_then(|report| report.spec.at(&["configFiles", part]));
        Some(
            held.cloned()
                .unwrap_or_else(|| Node::unknown(format!("--{flag} names {path}, and no node report holds it"))),
        )
    }
}
