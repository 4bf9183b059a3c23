//! Effective settings: a flag, else the file that it names, else the default of that Kubernetes version.

use crate::framework::{
    Minor,
    defaults::{Kind, Setting},
};

use super::value::Node;

/// One flag as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Name without dashes.
    pub name: String,
    /// Its text; `None` for a flag without a value.
    pub text: Option<String>,
    /// JSON Pointer of the argument.
    pub at: String,
}

/// What a configuration file says.
#[derive(Debug, Clone, Copy)]
pub enum File<'a> {
    /// The component is given no file.
    None,
    /// It was read; with the JSON Pointer of its root.
    Read(&'a Node, &'a str),
    /// It could not be read, with the reason.
    Unknown(&'a str),
}

/// Reads `--name=value`, `--name value` and `--name` as Go's flags do: a switch never takes the next argument.
pub fn flags(arguments: &[(String, &str)], settings: &[Setting]) -> Vec<Flag> {
    let is_switch = |name: &str| {
        let row = settings.iter().find(|row| row.name.value == name || row.flag.as_deref() == Some(name));
        row.is_some_and(|row| row.kind == Kind::Bool)
    };
    let mut flags = Vec::new();
    let mut rest = arguments.iter().peekable();
    while let Some((at, argument)) = rest.next() {
        let Some(flag) = argument.strip_prefix("--").filter(|flag| !flag.is_empty()) else { continue };
        let (name, text) = match flag.split_once('=') {
            Some((name, text)) => (name, Some(text.to_string())),
            None if is_switch(flag) => (flag, None),
            None => (flag, rest.next_if(|(_, next)| !next.starts_with('-')).map(|(_, next)| (*next).to_string())),
        };
        flags.push(Flag { name: name.into(), text, at: at.clone() });
    }
    flags
}

/// `{value, set, source, at}`.
pub fn setting(value: Node, set: bool, source: &str, at: &str) -> Node {
    Node::map([
        ("value".to_string(), value),
        ("set".to_string(), Node::Bool(set.into())),
        ("source".to_string(), Node::text(source)),
        ("at".to_string(), Node::text(at)),
    ])
}

/// A component's setting: its flag, else the file, else the default. `home` is where its arguments stand.
pub fn of_component(row: &Setting, flags: &[Flag], file: File<'_>, kubernetes: Option<Minor>, home: &str) -> Node {
    if let Some(given) = of_flags(row.kind, &row.name.value, flags) {
        return given;
    }
    let field = row.config.as_deref().map(|path| (path, file));
    match field {
        Some((_, File::Unknown(reason))) => Node::unknown(reason),
        Some((path, File::Read(root, at))) => match below(root, path) {
            Some(value) => setting(value.clone(), true, "file", &format!("{at}/{}", path.replace('.', "/"))),
            None => setting(row.default(kubernetes), false, "default", at),
        },
        Some((_, File::None)) | None => setting(row.default(kubernetes), false, "default", home),
    }
}

/// The effective value of a flag that was given, `None` where it was not.
pub fn of_flags(kind: Kind, name: &str, flags: &[Flag]) -> Option<Node> {
    let given: Vec<&Flag> = flags.iter().filter(|flag| flag.name == name).collect();
    let last = given.last()?;
    let text = |flag: &Flag| flag.text.clone().unwrap_or_default();
    // What looked like a credential was replaced before it came here.
    if given.iter().any(|flag| text(flag).contains(crate::snapshot::PREFIX)) {
        return Some(Node::unknown(format!("the value of --{name} was redacted")));
    }
    let parts = || given.iter().flat_map(|flag| text(flag).split(',').map(str::to_string).collect::<Vec<_>>());
    let value = match kind {
        Kind::Bool => match last.text.as_deref() {
            None | Some("true" | "t" | "T" | "1" | "TRUE" | "True") => Some(Node::Bool(true.into())),
            Some("false" | "f" | "F" | "0" | "FALSE" | "False") => Some(Node::Bool(false.into())),
            Some(_) => None,
        },
        Kind::Int => text(last).parse().ok().map(Node::int),
        Kind::Text => Some(Node::text(text(last))),
        Kind::List => {
            Some(Node::list(parts().map(|part| part.trim().to_string()).filter(|p| !p.is_empty()).map(Node::text)))
        }
        Kind::Gates => {
            let gate = |part: String| {
                let (name, on) = part.split_once('=')?;
                Some((name.trim().to_string(), Node::Bool(on.trim().eq_ignore_ascii_case("true").into())))
            };
            // Of a repeated gate the last one counts, and a map keeps the first.
            let gates: Vec<_> = parts().filter_map(gate).collect();
            Some(Node::map(gates.into_iter().rev()))
        }
    };
    Some(match value {
        Some(value) => setting(value, true, "flag", &last.at),
        None => Node::unknown(format!("--{name}={} cannot be read", text(last))),
    })
}

/// The value at a dotted path.
pub fn below<'a>(root: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.').try_fold(root, |node, key| if node.unknown_reason().is_some() { Some(node) } else { node.get(key) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framework::{RuleFiles, defaults::Defaults};
    use serde_json::json;

    const TABLE: &str = "source: s\ncomponents:\n  c:\n    - {name: profiling, type: bool, default: true, config: enableProfiling}\n    \
                         - {name: maxage, type: int, default: 0}\n    - {name: plugins, type: list}\n    \
                         - {name: path, type: text}\n    - {name: feature-gates, type: gates}\nkubelet: []\n";

    fn effective(arguments: &[&str], file: File<'_>) -> serde_json::Value {
        let files: RuleFiles = [("defaults.yaml".to_string(), TABLE.as_bytes().to_vec())].into();
        let defaults = Defaults::load(&files).unwrap();
        let rows = defaults.component("c");
        let arguments: Vec<(String, &str)> =
            arguments.iter().enumerate().map(|(at, text)| (format!("/command/{at}"), *text)).collect();
        let flags = flags(&arguments, rows);
        let told = |row: &Setting| (row.name.value.clone(), of_component(row, &flags, file, None, "/command"));
        Node::map(rows.iter().map(told)).json()
    }

    #[test]
    fn flags_are_read_as_components_read_them() {
        let all = effective(
            &["c", "--profiling=false", "--maxage", "30", "--plugins=A,B", "--plugins", "C", "--path=/x=y"],
            File::None,
        );
        assert_eq!(all["profiling"], json!({"value": false, "set": true, "source": "flag", "at": "/command/1"}));
        assert_eq!(all["maxage"]["value"], 30);
        assert_eq!(
            all["plugins"],
            json!({"value": ["A", "B", "C"], "set": true, "source": "flag", "at": "/command/5"})
        );
        assert_eq!(all["path"]["value"], "/x=y");
    }

    #[test]
    fn a_switch_never_takes_the_next_argument_and_the_last_flag_counts() {
        let all = effective(&["--profiling", "false", "--maxage=1", "--maxage=2"], File::None);
        assert_eq!((&all["profiling"]["value"], &all["maxage"]["value"]), (&json!(true), &json!(2)));
        let gates = effective(&["--feature-gates=A=true,B=false", "--feature-gates=A=false"], File::None);
        assert_eq!(gates["feature-gates"]["value"], json!({"A": false, "B": false}));
    }

    #[test]
    fn a_flag_wins_over_a_file_and_a_file_over_the_default() {
        let file = Node::from(&json!({"enableProfiling": false}));
        let read = File::Read(&file, "/spec/configFiles/scheduler");
        let of_file = effective(&[], read);
        let at = "/spec/configFiles/scheduler/enableProfiling";
        assert_eq!(of_file["profiling"], json!({"value": false, "set": true, "source": "file", "at": at}));
        assert_eq!(of_file["maxage"]["source"], "default", "a setting without a field is not in the file");
        assert_eq!(effective(&["--profiling"], read)["profiling"]["source"], "flag");
        let silent = Node::map([]);
        assert_eq!(effective(&[], File::Read(&silent, "/f"))["profiling"]["value"], true);
        let unread = effective(&["--maxage=3"], File::Unknown("no node report holds it"));
        assert_eq!(unread["profiling"], "not known: no node report holds it");
        assert_eq!(unread["maxage"]["value"], 3);
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_never_a_default() {
        let all = effective(&["--profiling=perhaps", "--maxage=ten", "--path=redacted:v1:k:token:m"], File::None);
        for name in ["profiling", "maxage", "path"] {
            assert!(all[name].as_str().is_some_and(|text| text.starts_with("not known: ")), "{name}: {}", all[name]);
        }
        let defaults = effective(&[], File::None);
        assert_eq!(defaults["path"], json!({"value": "", "set": false, "source": "default", "at": "/command"}));
        assert_eq!(defaults["plugins"]["value"], json!([]));
    }
}
