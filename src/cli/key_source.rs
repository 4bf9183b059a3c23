//! Which keys a run uses: the configuration's, a folder's, or new ones where that is safe.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;

use super::{Failure, env, settings::Settings};
use crate::{
    bundle::keys::{self, KeyError, KeySet, LogKey, SigningKey},
    snapshot::RedactionKey,
};

/// Stands beside the key folder.
const LOCK: &str = ".keys.lock";

/// The keys, and what to tell when they were made just now.
pub(super) struct Found {
    pub(super) keys: KeySet,
    /// Public key to hand to whoever verifies.
    pub(super) public: Option<PathBuf>,
    pub(super) made: bool,
}

/// The user's own key folder.
pub(super) fn default_folder() -> Result<PathBuf, Failure> {
    etcetera::choose_base_strategy()
        .map(|base| base.config_dir().join("kubeproof").join("keys"))
        .map_err(|error| Failure::usage(format!("no folder for keys: {error}")).hint("name one with --keys DIR"))
}

/// Keys of the configuration, of `folder`, or of the user's folder, where they are made if every store is local.
pub(super) fn find(settings: &Settings, folder: Option<&Path>, all_local: bool) -> Result<Found, Failure> {
    if folder.is_none() && is_configured(settings) {
        return configured(settings).map(|keys| Found { keys, public: None, made: false });
    }
    let folder = match folder {
        Some(folder) => folder.to_path_buf(),
        None => default_folder()?,
    };
    let public = Some(folder.join(keys::SIGNING_PUBLIC_FILE));
    // Two first runs at once must not end with two sets of keys: the second waits and uses the first one's.
    let _lock = lock(&folder)?;
    if KeySet::present(&folder) {
        return Ok(Found { keys: KeySet::load(&folder).map_err(failure)?, public, made: false });
    }
    if !all_local {
        return Err(Failure::usage(format!(
            "no keys in {}, and a remote store needs keys that outlive this run",
            folder.display()
        ))
        .hint(
            "make them once with 'kubeproof keys generate', keep them, and name them under keys: in kubeproof.yaml",
        ));
    }
    let keys = generate()?;
    keys.write(&folder).map_err(failure)?;
    Ok(Found { keys, public, made: true })
}

/// Where the public key of [`existing`] keys lies; the name that it has everywhere, where it is not known.
pub(super) fn public_file(settings: &Settings, folder: Option<&Path>) -> PathBuf {
    let name = PathBuf::from(keys::SIGNING_PUBLIC_FILE);
    if folder.is_none() && is_configured(settings) {
        return name;
    }
    let folder = folder.map(Path::to_path_buf).or_else(|| default_folder().ok());
    folder.map(|folder| folder.join(&name)).filter(|path| path.is_file()).unwrap_or(name)
}

/// Whether the configuration names keys.
fn is_configured(settings: &Settings) -> bool {
    let named = &settings.config.keys;
    named.signing.is_some() || named.log.is_some() || named.redaction.is_some()
}

/// Keys of the configuration, of `folder`, or of the user's folder; none are made.
pub(super) fn existing(settings: &Settings, folder: Option<&Path>) -> Result<KeySet, Failure> {
    if folder.is_none() && is_configured(settings) {
        return configured(settings);
    }
    let folder = folder.map_or_else(default_folder, |folder| Ok(folder.to_path_buf()))?;
    if KeySet::present(&folder) {
        return KeySet::load(&folder).map_err(failure);
    }
    Err(Failure::usage(format!("no keys in {}, and a package is signed", folder.display()))
        .hint("name the folder with --keys, or the keys in kubeproof.yaml; 'kubeproof keys generate' makes new ones"))
}

/// Held while keys are looked for and made; `None` where the folder's parent cannot be written, and nothing be made.
fn lock(folder: &Path) -> Result<Option<File>, Failure> {
    let Some(parent) = folder.parent() else { return Ok(None) };
    // Complete keys are read as they are, also from folders that cannot be written (a Secret's volume).
    if folder.join(keys::LOG_PUBLIC_FILE).exists() || (KeySet::present(folder) && !parent.join(LOCK).exists()) {
        return Ok(None);
    }
    let failed = |error| Failure::usage(format!("cannot lock {}: {error}", parent.join(LOCK).display()));
    fs::create_dir_all(parent).map_err(failed)?;
    let file = File::create(parent.join(LOCK)).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(Some(file))
}

/// Three new keys from the operating system's randomness.
pub(super) fn generate() -> Result<KeySet, Failure> {
    Ok(KeySet::generate([random()?, random()?, random()?]))
}

/// 32 bytes of the operating system's randomness.
pub(super) fn random() -> Result<[u8; 32], Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::usage(format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

fn configured(settings: &Settings) -> Result<KeySet, Failure> {
    let named = &settings.config.keys;
    Ok(KeySet {
        signing: one(settings, "signing", named.signing.as_deref(), SigningKey::load, SigningKey::parse)?,
        log: one(settings, "log", named.log.as_deref(), LogKey::load, LogKey::parse)?,
        redaction: one(settings, "redaction", named.redaction.as_deref(), keys::load_redaction, parse_redaction)?,
    })
}

fn parse_redaction(text: &str, from: &str) -> Result<RedactionKey, KeyError> {
    keys::parse_redaction(text, from)
}

/// A key from a file, or from the environment (`env:NAME`).
fn one<K>(
    settings: &Settings,
    what: &str,
    named: Option<&str>,
    load: impl Fn(&Path) -> Result<K, KeyError>,
    parse: impl Fn(&str, &str) -> Result<K, KeyError>,
) -> Result<K, Failure> {
    let named = named.ok_or_else(|| {
        Failure::usage(format!("keys.{what} is missing in the configuration: signing, log and redaction go together"))
            .hint("'kubeproof keys generate' makes all three")
    })?;
    match named.strip_prefix("env:") {
        None => load(Path::new(&settings.resolve(named))).map_err(failure),
        Some(name) => {
            let text =
                env(name).ok_or_else(|| Failure::usage(format!("keys.{what}: the variable {name} is not set")))?;
            parse(&text, named).map_err(failure)
        }
    }
}

fn failure(error: KeyError) -> Failure {
    Failure::usage(error)
}
