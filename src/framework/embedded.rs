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
