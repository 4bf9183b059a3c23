//! kubeproof.yaml and the flags that win over it, read once: what `run`, `check` and `daemon` work with.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{Failure, load_failure};
use crate::{
    canonical,
    config::{self, AttestationsFile, Config, LoadError, Located, ProvidersFile, WaiversFile},
    digest::Digest,
    drift,
    framework::{self, RuleFiles, parameters},
};

/// Flags that name definitions; shared by the commands that evaluate.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct DefinitionArgs {
    /// Configuration file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Framework to evaluate; may be repeated [default: those that fit the cluster]
    #[arg(long = "framework", value_name = "ID")]
    pub frameworks: Vec<String>,
    /// Folder with checks of your own, added to the built-in ones
    #[arg(long = "checks", value_name = "DIR")]
    pub check_dirs: Vec<PathBuf>,
    /// Folder with frameworks of your own, added to the built-in ones
    #[arg(long = "frameworks", value_name = "DIR")]
    pub framework_dirs: Vec<PathBuf>,
}

impl DefinitionArgs {
    /// A configuration file, and no flag that wins over it.
    pub(super) fn of(config: Option<PathBuf>) -> Self {
        Self { config, ..Self::default() }
    }
}

/// The configuration in force, with every file it names.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// kubeproof.yaml, or its defaults.
    pub config: Config,
    /// Folder that relative paths in it start from.
    pub base: PathBuf,
    /// Everything that decides.
    pub rules: RuleFiles,
    /// Files that declarations point at, by `data/attested/…` path.
    pub attested: BTreeMap<String, Vec<u8>>,
    /// Framework ids asked for.
    pub frameworks: Vec<String>,
}

/// Reads the configuration and all definitions.
///
/// # Errors
/// The first file that cannot be read or is wrong, with its place.
pub(super) fn load(args: &DefinitionArgs) -> Result<Settings, Failure> {
    let (config, base) = match &args.config {
        None => (Config::default(), PathBuf::from(".")),
        Some(path) => {
            let located: Located<Config> = parse(path)?;
            check_api_version(path, &located.value)?;
            check_gaps(path, &located.value)?;
            check_edges(path, &located.value)?;
            (located.value, path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf))
        }
    };
    let mut rules = framework::embedded();
    for dir in &args.check_dirs {
        add_folder(&mut rules, dir, "checks/user")?;
    }
    for dir in &args.framework_dirs {
        add_folder(&mut rules, dir, "frameworks")?;
    }
    let named = [
        ("scope.yaml", &config.scope),
        ("owners.yaml", &config.owners),
        ("waivers.yaml", &config.waivers),
        ("attestations.yaml", &config.attestations),
        ("providers.yaml", &config.providers),
        ("user-expected.yaml", &config.expected),
        (drift::OWN_NOISE, &config.noise),
        (parameters::FILE, &config.parameters),
    ];
    for (name, path) in named {
        if let Some(path) = path {
            rules.insert(name.into(), read(&base.join(path))?);
        }
    }
    let attested = attested_files(&config, &base, &mut rules)?;
    rules.insert("kubeproof.json".into(), without_credentials(&config)?);
    let frameworks = if args.frameworks.is_empty() { config.frameworks.clone() } else { args.frameworks.clone() };
    Ok(Settings { config, base, rules, attested, frameworks })
}

impl Settings {
    /// A path of the configuration, from its own folder; `env:NAME` stays as it is.
    pub(super) fn resolve(&self, path: &str) -> String {
        if path.starts_with("env:") { path.into() } else { self.base.join(path).to_string_lossy().into_owned() }
    }
}

fn check_api_version(path: &Path, config: &Config) -> Result<(), Failure> {
    if config.api_version == config::API_VERSION {
        return Ok(());
    }
    let message = match config.api_version.as_str() {
        "" => "apiVersion is missing".to_owned(),
        other => format!("apiVersion '{other}' is not known to this version"),
    };
    let error = LoadError::line(path.display().to_string(), 1, message);
    Err(load_failure(&[error.hint(format!("write 'apiVersion: {}'", config::API_VERSION))]))
}

/// Lists are asked for the whole cluster, so a gap in one namespace of a list cannot be told from a gap in all of it.
fn check_gaps(path: &Path, config: &Config) -> Result<(), Failure> {
    let narrow = config.expected_gaps.iter().filter(|gap| gap.scope != "*").map(|gap| {
        let message = format!("gap '{}': scope '{}' cannot be told apart", gap.id, gap.scope);
        LoadError::line(path.display().to_string(), gap.line, message)
            .hint("lists are asked for the whole cluster: write scope: \"*\"")
    });
    let errors: Vec<LoadError> = narrow.collect();
    if errors.is_empty() { Ok(()) } else { Err(load_failure(&errors)) }
}

/// Hooks and metrics, without repeating what may be a credential.
fn check_edges(path: &Path, config: &Config) -> Result<(), Failure> {
    let file = path.display().to_string();
    let hooks = config.notify.iter().filter_map(|hook| {
        let error = LoadError::line(&file, hook.line, hook.problem()?);
        Some(error.hint("url is an https:// URL, env:NAME, or a file that holds one"))
    });
    let textfile = config.metrics.textfile.as_ref().filter(|textfile| !textfile.ends_with(".prom")).map(|textfile| {
        LoadError::file(&file, format!("metrics.textfile '{textfile}' does not end in .prom"))
            .hint("the node exporter's textfile collector reads no other file")
    });
    let errors: Vec<LoadError> = hooks.chain(textfile).collect();
    if errors.is_empty() { Ok(()) } else { Err(load_failure(&errors)) }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Located<T>, Failure> {
    config::parse_yaml(&path.display().to_string(), &read(path)?).map_err(|error| load_failure(&[error]))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

/// Adds the YAML files below `dir` under `prefix`. Names become paths in the bundle, whose grammar is narrow.
fn add_folder(rules: &mut RuleFiles, dir: &Path, prefix: &str) -> Result<(), Failure> {
    let files = framework::folder(dir, prefix).map_err(|error| load_failure(&[error]))?;
    if files.is_empty() {
        return Err(Failure::usage(format!("{}: no .yaml file in this folder", dir.display())));
    }
    let is_narrow = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/');
    if let Some(name) = files.keys().find(|name| !name.bytes().all(is_narrow)) {
        return Err(Failure::usage(format!("{}: '{name}' cannot stand in a bundle", dir.display()))
            .hint("use lower-case letters, digits, '.', '_' and '-' in file names"));
    }
    rules.extend(files);
    Ok(())
}

/// Copies the files that waivers, attestations and provider documents point at, and notes which name became which digest.
fn attested_files(config: &Config, base: &Path, rules: &mut RuleFiles) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut named: Vec<(String, PathBuf)> = Vec::new();
    let folder = |path: &str| base.join(path).parent().map_or_else(|| base.to_path_buf(), Path::to_path_buf);
    if let Some(path) = &config.attestations {
        let file: Located<AttestationsFile> = parse(&base.join(path))?;
        let files = file.value.attestations.iter().flat_map(|attestation| attestation.files.iter());
        named.extend(files.map(|name| (name.clone(), folder(path).join(name))));
    }
    if let Some(path) = &config.waivers {
        let file: Located<WaiversFile> = parse(&base.join(path))?;
        let documents = file.value.waivers.iter().filter_map(|waiver| waiver.document.as_ref());
        named.extend(documents.map(|name| (name.clone(), folder(path).join(name))));
    }
    if let Some(path) = &config.providers {
        let file: Located<ProvidersFile> = parse(&base.join(path))?;
        let documents = file.value.documents.iter().map(|entry| (&entry.document, folder(path).join(&entry.document)));
        // A document that is not there is reported beside the others, and nothing inherits from it.
        named.extend(documents.filter(|(_, path)| path.is_file()).map(|(name, path)| (name.clone(), path)));
    }
    let mut files = BTreeMap::new();
    let mut index = BTreeMap::new();
    for (name, path) in named {
        // A file that is missing costs its attestation, never the run.
        let Ok(bytes) = fs::read(&path) else {
            index.insert(name, None);
            continue;
        };
        let digest = Digest::of(&bytes);
        let extension =
            path.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy().to_lowercase()));
        files.insert(format!("data/attested/{}{extension}", digest.hex()), bytes);
        index.insert(name, Some(digest));
    }
    if !index.is_empty() {
        rules.insert("attested.json".into(), canonical::to_vec(&index).map_err(Failure::usage)?);
    }
    Ok(files)
}

/// The configuration as it goes into the bundle: without where keys are, without credentials in store URLs, and without
/// the switch of the lake, which decides nothing.
fn without_credentials(config: &Config) -> Result<Vec<u8>, Failure> {
    let mut config = config.clone();
    config.keys = config::KeysConfig::default();
    config.state_dir = None;
    config.lake = false;
    for store in &mut config.stores {
        if let Ok(mut url) = url::Url::parse(store)
            && url.set_username("").is_ok()
            && url.set_password(None).is_ok()
        {
            url.set_query(None);
            *store = url.to_string();
        }
    }
    canonical::to_vec(&config).map_err(Failure::usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> DefinitionArgs {
        fs::write(folder.join(name), text).unwrap();
        DefinitionArgs::of(Some(folder.join("kubeproof.yaml")))
    }

    #[test]
    fn hooks_and_metrics_are_checked_and_stay_out_of_the_bundle() {
        let folder = tempfile::TempDir::new().unwrap();
        let config =
            |lines: &str| write(folder.path(), "kubeproof.yaml", &format!("apiVersion: kubeproof.dev/v1\n{lines}"));
        let hook = "notify:\n  - url: https://hooks.example.com/services/secret\nmetrics: {textfile: /x/secret.prom}\n";
        let settings = load(&config(hook)).unwrap();
        let stored = String::from_utf8(settings.rules["kubeproof.json"].clone()).unwrap();
        assert!(!stored.contains("secret") && !stored.contains("notify"), "{stored}");
        let wrong = load(&config("notify:\n  - {format: json, url: 'htps://example.com/secret'}\n")).unwrap_err();
        assert!(
            wrong.message.contains("kubeproof.yaml:3: the url of a hook") && !wrong.message.contains("secret"),
            "{wrong:?}"
        );
        let wrong = load(&config("metrics: {textfile: /x/kubeproof.txt}\n")).unwrap_err();
        assert!(wrong.message.contains("does not end in .prom"), "{wrong:?}");
    }

    #[test]
    fn documents_of_providers_are_kept_and_a_lost_one_is_no_error() {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("docs")).unwrap();
        write("kubeproof.yaml", "apiVersion: kubeproof.dev/v1\nproviders: docs/providers.yaml\n");
        write("docs/soc2.PDF", "%PDF soc2");
        let entry = |id: &str, file: &str| {
            format!(
                "  - {{id: {id}, provider: eks, kind: k, document: {file}, issued: 2026-01-01, until: 2027-01-01, \
                 covers: [pci-dss/9.*], responsibility: r}}\n"
            )
        };
        let providers = format!("documents:\n{}{}", entry("P-1", "soc2.PDF"), entry("P-2", "lost.pdf"));
        write("docs/providers.yaml", &providers);
        let args = DefinitionArgs { config: Some(folder.path().join("kubeproof.yaml")), ..DefinitionArgs::default() };
        let settings = load(&args).unwrap();
        let digest = Digest::of("%PDF soc2");
        let kept: Vec<&String> = settings.attested.keys().collect();
        assert_eq!(kept, [&format!("data/attested/{}.pdf", digest.hex())]);
        assert_eq!(settings.rules["providers.yaml"], providers.as_bytes());
        let index: BTreeMap<String, Digest> = serde_json::from_slice(&settings.rules["attested.json"]).unwrap();
        assert_eq!(index, [("soc2.PDF".to_string(), digest)].into());
    }
}
