//! Kubelets: what they run by, as `/configz` or the node's own report says.

use std::collections::BTreeMap;

use super::{
    Document, Made,
    reports::{BASE, Report},
};
use crate::{
    evaluate::{
        Evidence,
        settings::{self, Flag, below, setting},
        value::Node,
    },
    framework::{
        Minor,
        check::On,
        defaults::{Defaults, Setting},
    },
    resource::ResourceRef,
};

/// A document for each node, once some kubelet has spoken: those that have not are unknown, with the reason.
pub(super) fn kubelets(
    made: &Made<'_>,
    configz: &BTreeMap<String, Report>,
    reports: &BTreeMap<String, Report>,
) -> Vec<Document> {
    if configz.is_empty() && reports.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<&str> = made.snapshot.nodes.iter().map(|node| node.name.as_str()).collect();
    names.extend(configz.keys().chain(reports.keys()).map(String::as_str));
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| kubelet(made, name, configz.get(name), reports.get(name))).collect()
}

fn kubelet(made: &Made<'_>, name: &str, configz: Option<&Report>, report: Option<&Report>) -> Document {
    let kubernetes = made.snapshot.nodes.iter().find(|node| node.name == name);
    let kubernetes = kubernetes.and_then(|node| node.kubelet.parse().ok()).or(made.kubernetes());
    let node = match (configz, report) {
        (None, None) => Node::unknown("this node's kubelet was not asked, and the node sent no report"),
        _ => {
            let said = Said { configz, report, kubernetes };
            Node::map([
                ("name".to_string(), Node::text(name)),
                ("settings".to_string(), said.settings(made.tables.defaults)),
            ])
        }
    };
    Document {
        on: On::Kubelet,
        resource: node_reference(made, name),
        node,
        base: "",
        evidence: evidence(made, name, [configz, report]),
    }
}

/// The node as findings name it.
pub(super) fn node_reference(made: &Made<'_>, name: &str) -> ResourceRef {
    match node_object(made, name) {
        Some(object) => object.reference(),
        None => {
            ResourceRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: name.into(), uid: None }
        }
    }
}

fn node_object<'a>(made: &Made<'a>, name: &str) -> Option<&'a crate::snapshot::Object> {
    made.snapshot.objects.iter().find(|o| o.gvk.group.is_empty() && o.gvk.kind == "Node" && o.name == name)
}

/// The node's object, and the reports about it.
pub(super) fn evidence<'r>(
    made: &Made<'_>,
    name: &str,
    reports: impl IntoIterator<Item = Option<&'r Report>>,
) -> Vec<Evidence> {
    let own = node_object(made, name).map(Evidence::of);
    own.into_iter().chain(reports.into_iter().flatten().map(|report| report.evidence.clone())).collect()
}

/// What is known of one kubelet.
struct Said<'a> {
    configz: Option<&'a Report>,
    report: Option<&'a Report>,
    kubernetes: Option<Minor>,
}

impl Said<'_> {
    fn settings(&self, defaults: Option<&Defaults>) -> Node {
        let flags = self.flags();
        let has_config = self.report.is_none_or(|_| flags.iter().any(|flag| flag.name == "config"));
        let rows = defaults.map_or(&[][..], |defaults| defaults.kubelet.as_slice());
        Node::map(rows.iter().map(|row| {
            let value = match self.configz {
                _ if row.flag_only => self.of_flag(row, &flags),
                Some(configz) => of_configz(row, &configz.spec),
                None => self.of_report(row, &flags, has_config),
            };
            (row.name.value.clone(), value)
        }))
    }

    /// The arguments in the node's report.
    fn flags(&self) -> Vec<Flag> {
        let given = self.report.and_then(|report| report.spec.at(&["kubelet", "flags"]));
        let flag = |(name, text): &crate::evaluate::value::Entry| Flag {
            name: name.inner().into(),
            text: text.as_str().map(str::to_string),
            at: format!("{BASE}/kubelet/flags/{}", name.inner()),
        };
        given.map(Node::entries).unwrap_or_default().iter().map(flag).collect()
    }

    /// Why the arguments are not known.
    fn blind(&self) -> Option<Node> {
        let Some(report) = self.report else {
            return Some(Node::unknown("only a report of the node itself shows the kubelet's arguments"));
        };
        match report.spec.at(&["kubelet", "flags"]).or_else(|| report.spec.get("kubelet")) {
            Some(Node::Unknown(reason)) => Some(Node::Unknown(reason.clone())),
            Some(_) => None,
            None => Some(Node::unknown("the node's report has no kubelet arguments")),
        }
    }

    fn of_flag(&self, row: &Setting, flags: &[Flag]) -> Node {
        self.blind().unwrap_or_else(|| {
            let name = row.flag.as_deref().unwrap_or(&row.name.value);
            settings::of_flags(row.kind, name, flags)
                .unwrap_or_else(|| setting(row.default(self.kubernetes), false, "default", "/spec/kubelet/flags"))
        })
    }

    /// A flag wins over the file, and the file over the default.
    fn of_report(&self, row: &Setting, flags: &[Flag], has_config: bool) -> Node {
        if let Some(blind) = self.blind() {
            return blind;
        }
        let flag = row.flag.as_deref().and_then(|flag| settings::of_flags(row.kind, flag, flags));
        if let Some(given) = flag {
            return given;
        }
        let root = "/spec/kubelet/config";
        let file = self.report.and_then(|report| report.spec.at(&["kubelet", "config"]));
        match (file.and_then(|file| below(file, &row.name.value)), has_config) {
            (Some(Node::Unknown(reason)), _) => Node::Unknown(reason.clone()),
            (Some(value), true) => {
                setting(value.clone(), true, "file", &format!("{root}/{}", row.name.value.replace('.', "/")))
            }
            (None, true) if file.is_none() => Node::unknown("the kubelet's configuration file is not in the report"),
            (_, true) => setting(row.default(self.kubernetes), false, "default", root),
            (_, false) => {
                let default = row.without_config.clone().unwrap_or_else(|| row.default(self.kubernetes));
                setting(default, false, "default", "/spec/kubelet/flags")
            }
        }
    }
}

/// `/configz` shows what is in force and leaves zero values out: what is not there is zero, unless its default is not.
fn of_configz(row: &Setting, spec: &Node) -> Node {
    let at = format!("{BASE}/{}", row.name.value.replace('.', "/"));
    match below(spec, &row.name.value) {
        Some(value) => setting(value.clone(), true, "configz", &at),
        None if row.default(None) == row.kind.zero() => setting(row.kind.zero(), false, "configz", BASE),
        None => Node::unknown(format!("the kubelet's /configz does not show {}", row.name.value)),
    }
}
