//! The kubelet's arguments and configuration as the node holds them.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Map, Value};

use super::{
    layout::Layout,
    root::{HostRoot, Lost},
    unit, unknown, yaml,
};

/// The greatest command line.
const MAX_COMMAND: usize = 128 << 10;
/// Configuration files that one folder of drop-ins may hold.
const MAX_DROP_INS: usize = 64;

/// What is known of the kubelet.
pub(super) struct Kubelet {
    /// Flags by name without dashes, or why they cannot be known.
    pub(super) flags: Result<BTreeMap<String, String>, Lost>,
    /// KubeletConfiguration as its files give it.
    pub(super) config: Value,
    /// The files that hold it.
    pub(super) config_files: Vec<String>,
    /// The unit and its drop-ins, or why they cannot be known.
    pub(super) unit_files: Result<Vec<String>, Lost>,
}

impl Kubelet {
    /// Reads units, processes and configuration; `proc` is where the node's processes show.
    pub(super) fn read(root: &HostRoot, layout: &Layout, proc: Option<&Path>) -> Self {
        let (unit_files, command) = units(root, layout);
        let command = match (proc, layout.inside) {
            (Some(proc), _) => process(proc),
            (None, Some(program)) => Err(Lost::Unseen(format!(
                "{program} runs the kubelet, and no file of the node holds its arguments; run with --host-pid"
            ))),
            (None, None) => command,
        };
        let flags = command.map(|command| flags(command.get(1..).unwrap_or_default()));
        let config_files = config_files(root, layout, flags.as_ref().ok());
        let config = match &config_files {
            Ok(files) => configuration(root, files),
            Err(lost) => unknown(lost.clone()),
        };
        Self { flags, config, config_files: config_files.unwrap_or_default(), unit_files }
    }

    /// A flag's value, where flags are known and have it.
    pub(super) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.as_ref().ok()?.get(name).map(String::as_str)
    }
}

/// Files of the units and the command of the first.
fn units(root: &HostRoot, layout: &Layout) -> (Result<Vec<String>, Lost>, Result<Vec<String>, Lost>) {
    let none = || Lost::Unseen("no unit of the node starts the kubelet; run with --host-pid".into());
    let (mut files, mut command) = (Vec::new(), Err(none()));
    for name in layout.units {
        match unit::read(root, name) {
            Ok(Some(unit)) => {
                files.extend(unit.files);
                command = unit.command;
            }
            Ok(None) => {}
            Err(lost) => return (Err(lost.clone()), Err(lost)),
        }
    }
    (Ok(files), command)
}

/// `--name=value`, `--name value` and `--switch`, the last of each name.
fn flags(arguments: &[String]) -> BTreeMap<String, String> {
    let mut flags = BTreeMap::new();
    let mut arguments = arguments.iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else { continue };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => match arguments.next_if(|next| !next.starts_with('-')) {
                Some(value) => (name, value.clone()),
                None => (name, "true".into()),
            },
        };
        flags.insert(name.to_owned(), value);
    }
    flags
}

/// The command line of the node's own kubelet: root's, and in no container.
fn process(proc: &Path) -> Result<Vec<String>, Lost> {
    let unseen = |reason: String| Lost::Unseen(reason);
    let entries = fs::read_dir(proc).map_err(|error| unseen(format!("{}: {error}", proc.display())))?;
    let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<Vec<String>> = folders.filter_map(|folder| kubelet_of(&folder)).collect();
    match (found.pop(), found.len()) {
        (Some(command), 0) => Ok(command),
        (None, _) => Err(unseen("no process of the node is a kubelet".into())),
        (Some(_), more) => Err(unseen(format!("{} processes of the node call themselves kubelet", more + 1))),
    }
}

fn kubelet_of(folder: &Path) -> Option<Vec<String>> {
    folder.file_name()?.to_str()?.parse::<u32>().ok()?;
    let command = fs::read(folder.join("cmdline")).ok()?;
    let command: Vec<String> = command
        .get(..command.len().min(MAX_COMMAND))?
        .split(|b| *b == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let program = command.first()?.rsplit('/').next()?;
    let status = fs::read_to_string(folder.join("status")).ok()?;
    (program == "kubelet" && is_the_nodes_own(&status)).then_some(command)
}

/// Any container may call a process kubelet: its own process numbers, or another user, give it away.
fn is_the_nodes_own(status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace);
    let root = field("Uid:").is_some_and(|mut ids| ids.all(|id| id == "0"));
    root && field("NSpid:").is_none_or(|ids| ids.count() == 1)
}

/// Files of the configuration: those that flags name, else the distribution's.
fn config_files(
    root: &HostRoot,
    layout: &Layout,
    flags: Option<&BTreeMap<String, String>>,
) -> Result<Vec<String>, Lost> {
    let flag = |name: &str| flags.and_then(|flags| flags.get(name)).filter(|value| value.starts_with('/'));
    let mut unseen = None;
    let mut files: Vec<String> = match flag("config") {
        Some(file) => vec![file.clone()],
        // Arguments that name no file mean that there is none, whatever lies about.
        None if flags.is_some() => Vec::new(),
        None => {
            let patterns: Vec<String> = layout.paths("kubelet-config").iter().map(|path| (*path).to_owned()).collect();
            super::files::expand(root, &patterns, &mut unseen)
        }
    };
    if let Some(folder) = flag("config-dir") {
        let names = root.list(folder, MAX_DROP_INS)?;
        let drop_ins = names.into_iter().filter(|name| name.ends_with(".conf"));
        files.extend(drop_ins.map(|name| format!("{}/{name}", folder.trim_end_matches('/'))));
    }
    unseen.map_or(Ok(files), Err)
}

/// The configuration of several files, later ones over earlier ones as the kubelet lays them.
fn configuration(root: &HostRoot, files: &[String]) -> Value {
    let mut configuration = Map::new();
    for file in files {
        match yaml(root, file) {
            Ok(Value::Object(map)) => merge(&mut configuration, map),
            Ok(_) => return unknown(Lost::Unseen(format!("{file}: is no configuration"))),
            Err(Lost::Absent) if files.len() == 1 => return Value::Object(Map::new()),
            Err(lost) => return unknown(lost),
        }
    }
    configuration.into()
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => merge(below, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_in_every_spelling() {
        let arguments = ["--a=1", "--b", "2", "--c", "--d", "-v=3", "stray", "--a=4"].map(str::to_owned);
        let expected = [("a", "4"), ("b", "2"), ("c", "true"), ("d", "true"), ("v", "3")];
        assert_eq!(flags(&arguments), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    fn proc(processes: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (id, command, status) in processes {
            let folder = dir.path().join(id);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cmdline"), command.replace(' ', "\0") + "\0").unwrap();
            fs::write(folder.join("status"), status).unwrap();
        }
        dir
    }

    #[test]
    fn a_process_in_a_container_or_of_another_user_is_no_kubelet() {
        let own = "Name:\tkubelet\nUid:\t0\t0\t0\t0\nNSpid:\t9\n";
        let real = ("9", "/usr/bin/kubelet --config=/a", own);
        let contained = ("10", "kubelet --config=/forged", "Uid:\t0\t0\t0\t0\nNSpid:\t10\t1\n");
        let stranger = ("11", "/tmp/kubelet --config=/forged", "Uid:\t1000\t1000\t1000\t1000\nNSpid:\t11\n");
        let found = process(proc(&[real, contained, stranger, ("self", "kubelet", own)]).path());
        assert_eq!(found, Ok(vec!["/usr/bin/kubelet".into(), "--config=/a".into()]));
        assert!(process(proc(&[contained, stranger]).path()).is_err());
        assert!(process(proc(&[real, ("12", "kubelet --x", own)]).path()).is_err(), "two are one too many");
    }

    #[test]
    fn later_files_lie_over_earlier_ones() {
        let value = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let mut configuration = value(r#"{"a": {"b": 1, "c": [1]}, "d": 1}"#);
        merge(&mut configuration, value(r#"{"a": {"c": [2]}, "d": null}"#));
        assert_eq!(configuration, value(r#"{"a": {"b": 1, "c": [2]}, "d": null}"#));
    }
}
