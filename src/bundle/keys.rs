//! Signing, log and redaction key: three, so that losing one does not lose the others.
//!
//! Ed25519 as PKCS#8 and SPKI PEM, which every tool reads. A key's id is the SHA-256 of its SPKI DER.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use ed25519_dalek::{
    Signature, Signer as _,
    pkcs8::{
        DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
        spki::der::pem::LineEnding,
    },
};

use crate::{
    digest::{Digest, hmac_sha256},
    period::pseudonym::PseudonymKey,
    snapshot::RedactionKey,
};

/// File of the key that signs bundles.
pub const SIGNING_FILE: &str = "signing.pem";
/// File of the key that signs the log.
pub const LOG_FILE: &str = "log.pem";
/// File of the redaction key.
pub const REDACTION_FILE: &str = "redaction.key";
/// Public half of the signing key: what an auditor is given.
pub const SIGNING_PUBLIC_FILE: &str = "signing.pub";
/// Public half of the log key.
pub const LOG_PUBLIC_FILE: &str = "log.pub";

/// Permission bit that lets everybody read a file.
const WORLD_READABLE: u32 = 0o004;

/// Why a key could not be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read key {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write key {path}: {source}")]
    Write {
        /// Which file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A key of that name is there already; overwriting it would orphan everything it signed.
    #[error("{0} exists already and is kept; choose another folder with --out, or move it away")]
    Exists(String),
    /// Everybody on the machine can read the private key.
    #[error("private key {path} can be read by everybody (mode {mode:04o}); type: chmod 600 {path}")]
    WorldReadable {
        /// Which file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Not an Ed25519 private key in PKCS#8 PEM.
    #[error("{0} is not an Ed25519 private key in PKCS#8 PEM; make keys with: kubeproof keys generate")]
    NotPrivate(String),
    /// Not an Ed25519 public key in SPKI PEM.
    #[error("{0} is not an Ed25519 public key in PEM (BEGIN PUBLIC KEY)")]
    NotPublic(String),
    /// The private half was given where the public one belongs.
    #[error("{0} holds a private key; give its public half (signing.pub), and keep the private one to the job")]
    PrivateForPublic(String),
    /// A public key for which signatures prove nothing.
    #[error("{0} is a weak public key (small order or not in canonical form): anybody can forge signatures for it")]
    Weak(String),
    /// Not a pseudonym key.
    #[error("{path} is not a pseudonym key: {reason}")]
    Pseudonym {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a redaction key.
    #[error("{path} is not a redaction key: {reason}")]
    Redaction {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Ed25519 private key that signs bundles.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// Reads PKCS#8 PEM; `from` names its place in errors.
    ///
    /// # Errors
    /// Anything but an Ed25519 private key.
    pub fn parse(pem: &str, from: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim())
            .map(Self)
            .map_err(|_| KeyError::NotPrivate(from.to_owned()))
    }

    /// Reads a PKCS#8 PEM file that not everybody can read.
    ///
    /// # Errors
    /// The file cannot be read, the world can read it, or it holds no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        Self::parse(&read_private(path)?, &path.display().to_string())
    }

    /// PKCS#8 PEM, version 1: what `openssl genpkey` writes.
    ///
    /// # Errors
    /// None for a well-formed key; the encoder reports through the same type.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        KeypairBytes { secret_key: self.0.to_bytes(), public_key: None }
            .to_pkcs8_pem(LineEnding::LF)
            .map(|pem| pem.to_string())
            .map_err(|_| KeyError::NotPrivate("the generated key".to_owned()))
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs with pure Ed25519.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// A secret for one purpose, which only the holder of the key can make again: HMAC-SHA256 of the purpose under the
    /// key's seed.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac_sha256(self.0.as_bytes(), purpose)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().digest().short(16))
    }
}

/// Ed25519 private key that signs a log's checkpoints; never the one that signs bundles.
#[derive(Debug, Clone)]
pub struct LogKey(SigningKey);

impl LogKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_seed(seed))
    }

    /// As [`SigningKey::parse`].
    ///
    /// # Errors
    /// Anything but an Ed25519 private key.
    pub fn parse(pem: &str, from: &str) -> Result<Self, KeyError> {
        SigningKey::parse(pem, from).map(Self)
    }

    /// As [`SigningKey::load`].
    ///
    /// # Errors
    /// The file cannot be read, the world can read it, or it holds no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        SigningKey::load(path).map(Self)
    }

    /// As [`SigningKey::to_pem`].
    ///
    /// # Errors
    /// None for a well-formed key.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_pem()
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        self.0.public()
    }

    /// Signs with pure Ed25519.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

/// Ed25519 public key; weak ones cannot be made into one.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads SPKI PEM; `from` names its place in errors.
    ///
    /// # Errors
    /// Anything but an Ed25519 public key of full order in canonical form.
    pub fn parse(pem: &str, from: &str) -> Result<Self, KeyError> {
        let pem = pem.trim();
        if pem.contains("PRIVATE KEY") {
            return Err(KeyError::PrivateForPublic(from.to_owned()));
        }
        let key =
            ed25519_dalek::VerifyingKey::from_public_key_pem(pem).map_err(|_| KeyError::NotPublic(from.to_owned()))?;
        // A point has one canonical encoding; another one would give the same key a second id.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != key.as_bytes() {
            return Err(KeyError::Weak(from.to_owned()));
        }
        Ok(Self(key))
    }

    /// Reads a SPKI PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or holds no such key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let pem = fs::read_to_string(path).map_err(|source| KeyError::Read { path: name.clone(), source })?;
        Self::parse(&pem, &name)
    }

    /// SPKI PEM.
    ///
    /// # Errors
    /// None for a well-formed key; the encoder reports through the same type.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| KeyError::NotPublic("the key".to_owned()))
    }

    /// The key's id: SHA-256 of its SPKI DER.
    pub fn digest(&self) -> Digest {
        // RFC 8410: the DER of an Ed25519 SPKI is this prefix and the 32 bytes.
        const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        Digest::of([PREFIX.as_slice(), self.0.as_bytes()].concat())
    }

    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Strict verification (RFC 8032 with canonical, full-order R).
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.0.verify_strict(message, &s).is_ok())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.digest().short(16))
    }
}

/// The three keys of a run.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// Signs bundles.
    pub signing: SigningKey,
    /// Signs the log.
    pub log: LogKey,
    /// Redacts.
    pub redaction: RedactionKey,
}

impl KeySet {
    /// Three keys of three times 32 random bytes.
    pub fn generate(random: [[u8; 32]; 3]) -> Self {
        let [signing, log, redaction] = random;
        Self {
            signing: SigningKey::from_seed(signing),
            log: LogKey::from_seed(log),
            redaction: RedactionKey::generate(redaction),
        }
    }

    /// Reads the three files of a folder that [`KeySet::write`] wrote.
    ///
    /// # Errors
    /// A file is missing, can be read by everybody, or holds no such key.
    pub fn load(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self {
            signing: SigningKey::load(&folder.join(SIGNING_FILE))?,
            log: LogKey::load(&folder.join(LOG_FILE))?,
            redaction: load_redaction(&folder.join(REDACTION_FILE))?,
        })
    }

    /// Whether `folder` holds any key file: then nothing is generated into it.
    pub fn present(folder: &Path) -> bool {
        [SIGNING_FILE, LOG_FILE, REDACTION_FILE].iter().any(|name| folder.join(name).exists())
    }

    /// Writes three private files (0600) and two public halves into `folder`; existing files are never touched.
    ///
    /// # Errors
    /// A file exists already, or the system refuses.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
        let files = [
            (SIGNING_FILE, 0o600, self.signing.to_pem()?),
            (LOG_FILE, 0o600, self.log.to_pem()?),
            (REDACTION_FILE, 0o600, format!("{}\n", self.redaction.to_text().trim_end())),
            (SIGNING_PUBLIC_FILE, 0o644, self.signing.public().to_pem()?),
            (LOG_PUBLIC_FILE, 0o644, self.log.public().to_pem()?),
        ];
        // All or nothing: a folder with keys of two generations would sign with one and be verified with the other.
        if let Some((name, ..)) = files.iter().find(|(name, ..)| folder.join(name).symlink_metadata().is_ok()) {
            return Err(KeyError::Exists(folder.join(name).display().to_string()));
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| write_error(folder, source))?;
        files.into_iter().map(|(name, mode, text)| create(&folder.join(name), mode, &text)).collect()
    }
}

/// Reads a redaction key file that not everybody can read.
///
/// # Errors
/// The file cannot be read, the world can read it, or it holds no such key.
pub fn load_redaction(path: &Path) -> Result<RedactionKey, KeyError> {
    parse_redaction(&read_private(path)?, &path.display().to_string())
}

/// Reads a redaction key from its text; `from` names its place in errors.
///
/// # Errors
/// Anything but 32 bytes in base64.
pub fn parse_redaction(text: &str, from: &str) -> Result<RedactionKey, KeyError> {
    RedactionKey::parse(text.trim())
        .map_err(|error| KeyError::Redaction { path: from.to_owned(), reason: error.to_string() })
}

/// Reads a pseudonym key file that not everybody can read.
///
/// # Errors
/// The file cannot be read, the world can read it, or it holds no such key.
pub fn load_pseudonym(path: &Path) -> Result<PseudonymKey, KeyError> {
    PseudonymKey::parse(read_private(path)?.trim())
        .map_err(|error| KeyError::Pseudonym { path: path.display().to_string(), reason: error.to_string() })
}

/// Writes a pseudonym key (0600); an existing file is never touched.
///
/// # Errors
/// The file exists already, or the system refuses.
pub fn write_pseudonym(path: &Path, key: &PseudonymKey) -> Result<(), KeyError> {
    create(path, 0o600, &format!("{}\n", key.to_text())).map(drop)
}

fn read_private(path: &Path) -> Result<String, KeyError> {
    let name = path.display().to_string();
    let read_error = |source| KeyError::Read { path: name.clone(), source };
    let file = fs::File::open(path).map_err(read_error)?;
    let mode = file.metadata().map_err(read_error)?.mode() & 0o7777;
    if mode & WORLD_READABLE != 0 {
        return Err(KeyError::WorldReadable { path: name, mode });
    }
    io::read_to_string(file).map_err(read_error)
}

fn create(path: &Path, mode: u32, text: &str) -> Result<PathBuf, KeyError> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(KeyError::Exists(path.display().to_string()));
        }
        Err(error) => return Err(write_error(path, error)),
    };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| write_error(path, source))?;
    Ok(path.to_owned())
}

fn write_error(path: &Path, source: io::Error) -> KeyError {
    KeyError::Write { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn keys() -> KeySet {
        KeySet::generate([[1; 32], [2; 32], [3; 32]])
    }

    #[test]
    fn keys_are_written_for_their_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        assert!(!KeySet::present(&folder));
        let written = keys().write(&folder).unwrap();
        assert!(KeySet::present(&folder));
        for path in &written {
            let private = path.extension().is_some_and(|e| e != "pub");
            let mode = fs::metadata(path).unwrap().mode() & 0o777;
            assert!(!private || mode & 0o077 == 0, "{} has mode {mode:o}", path.display());
        }
        let read = KeySet::load(&folder).unwrap();
        assert_eq!(read.signing.public(), keys().signing.public());
        assert_eq!(read.log.public(), keys().log.public());
        assert_eq!(read.redaction.id(), keys().redaction.id());
        assert_eq!(VerifyingKey::load(&folder.join(SIGNING_PUBLIC_FILE)).unwrap(), keys().signing.public());
    }

    #[test]
    fn existing_keys_are_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOG_PUBLIC_FILE), "mine").unwrap();
        assert!(matches!(keys().write(folder.path()), Err(KeyError::Exists(_))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is written beside it");
    }

    #[test]
    fn a_key_that_the_world_can_read_is_refused_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SIGNING_FILE);
        fs::write(&path, keys().signing.to_pem().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = SigningKey::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        // A Secret volume is readable by its group (fsGroup) and by nobody else.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        SigningKey::load(&path).unwrap();
    }

    #[test]
    fn weak_and_misplaced_keys_are_refused() {
        let pem =
            |point: [u8; 32]| ed25519_dalek::pkcs8::PublicKeyBytes(point).to_public_key_pem(LineEnding::LF).unwrap();
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(matches!(VerifyingKey::parse(&pem(identity), "k"), Err(KeyError::Weak(_))), "identity");
        assert!(matches!(VerifyingKey::parse(&pem([0; 32]), "k"), Err(KeyError::Weak(_))), "order four");
        let private = keys().signing.to_pem().unwrap();
        assert!(matches!(VerifyingKey::parse(&private, "k"), Err(KeyError::PrivateForPublic(_))));
        let public = keys().signing.public().to_pem().unwrap();
        assert!(matches!(SigningKey::parse(&public, "k"), Err(KeyError::NotPrivate(_))));
    }

    #[test]
    fn the_id_is_the_digest_of_the_spki_der() {
        let key = keys().signing.public();
        assert_eq!(key.digest(), Digest::of(key.0.to_public_key_der().unwrap().as_bytes()));
    }

    #[test]
    fn debug_output_holds_no_private_key() {
        let text = format!("{:?}", keys());
        assert!(!text.contains(&hex::encode([1; 32])) && !text.contains("1, 1, 1"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,200}", body in "[A-Za-z0-9+/=\n]{0,100}") {
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
            for input in [&text, &pem] {
                let _ = VerifyingKey::parse(input, "k");
                let _ = SigningKey::parse(&input.replace("PUBLIC", "PRIVATE"), "k");
            }
        }
    }
}
