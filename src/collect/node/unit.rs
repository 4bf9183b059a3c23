//! Arguments of the kubelet from the systemd unit that starts it, with drop-ins and environment files.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    layout::UNIT_FOLDERS,
    root::{HostRoot, Lost},
};

/// The greatest unit, drop-in or environment file.
const MAX_BYTES: u64 = 256 << 10;
/// Drop-ins of one folder.
const MAX_DROP_INS: usize = 64;

/// What is known of a unit.
pub(super) struct Unit {
    /// The unit's own file and its drop-ins.
    pub(super) files: Vec<String>,
    /// The command that it starts, or why it cannot be known.
    pub(super) command: Result<Vec<String>, Lost>,
}

/// Finds and reads a unit; `None` where the node has none.
///
/// # Errors
/// A folder in which it may stand, or one of its files, cannot be seen.
pub(super) fn read(root: &HostRoot, name: &str) -> Result<Option<Unit>, Lost> {
    let mut unit = None;
    // By name over all folders; of one name, the first folder's counts.
    let mut drop_ins = BTreeMap::new();
    let mut known = BTreeSet::new();
    let mut passed_over = None;
    for (folder, spare) in UNIT_FOLDERS {
        match root.find(folder) {
            // `/lib` is a link to `/usr/lib` nowadays: one folder under two names.
            Ok(found) if !known.insert(found.path.clone()) => continue,
            Ok(_) => {}
            Err(Lost::Absent) => continue,
            Err(lost) if spare => {
                passed_over.get_or_insert(lost);
                continue;
            }
            Err(lost) => return Err(lost),
        }
        let path = format!("{folder}/{name}");
        if unit.is_none() {
            unit = present(root.read(&path, MAX_BYTES))?.map(|text| (path, text));
        }
        let folder = format!("{folder}/{name}.d");
        for name in present(root.list(&folder, MAX_DROP_INS))?.unwrap_or_default() {
            if name.ends_with(".conf") {
                let path = format!("{folder}/{name}");
                drop_ins.entry(name).or_insert(path);
            }
        }
    }
    let Some((path, text)) = unit else { return passed_over.map_or(Ok(None), Err) };
    let mut service = Service::default();
    service.lines(&String::from_utf8_lossy(&text));
    let mut files = vec![path];
    for path in drop_ins.into_values() {
        service.lines(&String::from_utf8_lossy(&root.read(&path, MAX_BYTES)?));
        files.push(path);
    }
    Ok(Some(Unit { files, command: service.command(root) }))
}

/// Something, nothing, or not to be known.
fn present<T>(answer: Result<T, Lost>) -> Result<Option<T>, Lost> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Lost::Absent) => Ok(None),
        Err(lost) => Err(lost),
    }
}

/// What `[Service]` says, as far as a command line needs it.
#[derive(Default)]
struct Service {
    environment: BTreeMap<String, String>,
    /// Paths, and whether the file may be missing.
    environment_files: Vec<(String, bool)>,
    start: String,
}

impl Service {
    fn lines(&mut self, text: &str) {
        let mut inside = false;
        let joined = text.replace("\\\n", " ");
        for line in joined.lines().map(str::trim) {
            if line.starts_with('[') {
                inside = line == "[Service]";
            } else if inside && let Some((key, value)) = line.split_once('=') {
                self.setting(key.trim(), value.trim());
            }
        }
    }

    /// An empty value takes back what was said before.
    fn setting(&mut self, key: &str, value: &str) {
        match key {
            "ExecStart" => value.clone_into(&mut self.start),
            "Environment" if value.is_empty() => self.environment.clear(),
            "Environment" => {
                let pairs = words(value).into_iter().filter_map(|word| assignment(&word));
                self.environment.extend(pairs);
            }
            "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
            "EnvironmentFile" => {
                let path = value.trim_start_matches('-');
                self.environment_files.push((path.to_owned(), path != value));
            }
            _ => {}
        }
    }

    fn command(mut self, root: &HostRoot) -> Result<Vec<String>, Lost> {
        for (path, optional) in std::mem::take(&mut self.environment_files) {
            match root.read(&path, MAX_BYTES) {
                Ok(text) => {
                    let text = String::from_utf8_lossy(&text).replace("\\\n", " ");
                    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
                    self.environment.extend(lines.filter_map(assignment).map(|(name, value)| (name, unquoted(&value))));
                }
                Err(Lost::Absent) if optional => {}
                Err(Lost::Absent) => return Err(Lost::Unseen(format!("{path}: is named by the unit and not there"))),
                Err(lost) => return Err(lost),
            }
        }
        let mut command = Vec::new();
        for word in words(self.start.trim_start_matches(['-', '@', ':', '+', '!'])) {
            self.expand(&word, &mut command);
        }
        Ok(command)
    }

    /// `$NAME` alone becomes its words, `${NAME}` inside a word its text, as systemd does it.
    fn expand(&self, word: &str, command: &mut Vec<String>) {
        let value = |name: &str| self.environment.get(name).map(String::as_str).unwrap_or_default();
        if let Some(name) = word.strip_prefix('$').filter(|name| is_name(name)) {
            command.extend(words(value(name)));
            return;
        }
        let mut out = String::new();
        let mut rest = word;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, after)) => {
                    out.push_str(value(name));
                    rest = after;
                }
                None => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        command.push(out);
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    is_name(name.trim()).then(|| (name.trim().to_owned(), value.to_owned()))
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let inner = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    inner.unwrap_or(text).to_owned()
}

/// Words as a shell and systemd split them: quotes hold one together.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words(r#" a  "b c" 'd "e' f\ g --x="1 2" "" "#), ["a", "b c", "d \"e", "f g", "--x=1 2", ""]);
        assert_eq!(words("\"open"), ["open"]);
    }

    #[test]
    fn the_last_command_counts_and_an_empty_one_takes_back() {
        let mut service = Service::default();
        service.lines("[Unit]\nExecStart=/no\n[Service]\nEnvironment=\"A=--x=1 --y\" B=2\nExecStart=/old\n");
        service.lines("[Service]\nExecStart=\nExecStart=/usr/bin/kubelet $A --b=${B} \\\n  --c ${NO}$\n");
        let dir = tempfile::tempdir().unwrap();
        let root = HostRoot::open(dir.path(), "").unwrap();
        assert_eq!(service.command(&root), Ok(words("/usr/bin/kubelet --x=1 --y --b=2 --c $")));
    }

    #[test]
    fn an_environment_file_that_is_not_there_is_unknown_unless_optional() {
        let dir = tempfile::tempdir().unwrap();
        let root = HostRoot::open(dir.path(), "").unwrap();
        for (text, known) in [("EnvironmentFile=-/etc/default/kubelet", true), ("EnvironmentFile=/etc/kubelet", false)]
        {
            let mut service = Service::default();
            service.lines(&format!("[Service]\nExecStart=/kubelet\n{text}\n"));
            assert_eq!(service.command(&root).is_ok(), known, "{text}");
        }
    }
}
