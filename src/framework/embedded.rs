//! Where rule files come from: this binary, or a folder of the user's own.

use std::path::Path;

use rust_embed::RustEmbed;
use walkdir::WalkDir;

use super::RuleFiles;
use crate::config::LoadError;

#[derive(RustEmbed)]
#[folder = "frameworks/"]
struct Frameworks;

/// The library that this binary carries.
pub fn embedded() -> RuleFiles {
    Frameworks::iter()
        .filter(|path| path.ends_with(".yaml"))
        .filter_map(|path| {
            let file = Frameworks::get(&path)?;
            // Framework files lie beside `checks/` in the source, and below `frameworks/` among the rules.
            let frameworks = path.contains('-') && !path.contains('/');
            Some((if frameworks { format!("frameworks/{path}") } else { path.into_owned() }, file.data.into_owned()))
        })
        .collect()
}

/// The YAML files of a folder, with paths below `root` (`checks`, `frameworks`).
///
/// # Errors
/// What cannot be read.
pub fn folder(folder: &Path, root: &str) -> Result<RuleFiles, LoadError> {
    let shown = folder.display().to_string();
    let mut files = RuleFiles::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let cause = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
            LoadError::file(error.path().map_or(shown.clone(), |path| path.display().to_string()), cause)
        })?;
        let yaml = entry.path().extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if !yaml || !entry.file_type().is_file() {
            continue;
        }
        let bytes = std::fs::read(entry.path())
            .map_err(|error| LoadError::file(entry.path().display().to_string(), error.to_string()))?;
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let name = if below.as_os_str().is_empty() { Path::new(entry.file_name()) } else { below };
        files.insert(format!("{root}/{}", name.display()), bytes);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;
    use crate::{
        config::parse_yaml,
        framework::{Library, check::On},
    };

    /// The names in `settings['...']`.
    fn settings(text: &str) -> BTreeSet<&str> {
        text.split("settings['").skip(1).filter_map(|rest| rest.split_once("']")).map(|(name, _)| name).collect()
    }

    /// The rows of the table of defaults, by what they are of.
    fn defaults(files: &RuleFiles) -> BTreeMap<String, Vec<Value>> {
        let table: Value = parse_yaml("defaults.yaml", &files["defaults.yaml"]).unwrap().value;
        let components = table["components"].as_object().unwrap().iter();
        let of = components.map(|(name, rows)| (format!("component/{name}"), rows.as_array().unwrap().clone()));
        of.chain([("kubelet".to_string(), table["kubelet"].as_array().unwrap().clone())]).collect()
    }

    #[test]
    fn every_setting_that_a_check_asks_for_has_a_default() {
        let files = embedded();
        let library = Library::load(&files).unwrap();
        let defaults = defaults(&files);
        let (mut asked, mut missing) = (0, Vec::new());
        for check in library.checks().filter(|check| matches!(check.on, On::Component(_) | On::Kubelet)) {
            let known: BTreeSet<&str> =
                defaults[&check.on.to_string()].iter().filter_map(|row| row["name"].as_str()).collect();
            let text = std::str::from_utf8(&files[&check.file]).unwrap();
            let given = check.tests.iter().filter_map(|test| test.object.as_ref()?["settings"].as_object());
            let names = given.flat_map(|settings| settings.keys().map(String::as_str)).chain(settings(text));
            for name in names.collect::<BTreeSet<_>>() {
                asked += 1;
                missing.extend((!known.contains(name)).then(|| format!("{}: {name}", check.id)));
            }
        }
        assert_eq!(missing, Vec::<String>::new());
        assert!(asked > 60, "only {asked} settings were found");
    }

    #[test]
    fn defaults_have_their_type_and_stand_once() {
        for (of, rows) in defaults(&embedded()) {
            let mut seen = BTreeSet::new();
            for row in &rows {
                let name = row["name"].as_str().unwrap();
                assert!(seen.insert(name), "{of}: {name} stands twice");
                let is_of_type = |value: &Value| match row["type"].as_str() {
                    Some("bool") => value.is_boolean(),
                    Some("int") => value.is_i64(),
                    Some("text") => value.is_string(),
                    Some("list") => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
                    _ => false,
                };
                let variants = row["variants"].as_array().into_iter().flatten();
                let values = variants.map(|variant| &variant["default"]).chain(row.get("default"));
                for value in values.chain(row.get("withoutConfig")) {
                    assert!(is_of_type(value), "{of}: {name}: {value}");
                }
                let has_none = matches!(row["type"].as_str(), Some("text" | "list" | "gates"));
                assert!(has_none || row.get("default").is_some(), "{of}: {name} has no default");
            }
        }
    }
}
