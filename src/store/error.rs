//! What a store's failures say: what was being done, to which URL, why, and what to do.

use std::io;

use object_store::Error as Backend;

/// A store that could not do what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} {at}: {detail}")]
pub struct StoreError {
    /// What was being done (`write`, `read`, `list`, `open`).
    pub action: &'static str,
    /// URL of the object or folder; holds no credentials.
    pub at: String,
    /// Why, as a closed set.
    pub cause: Cause,
    /// Why, in words.
    pub detail: String,
}

/// Why a store could not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The URL or an option is not one that we understand.
    Configuration,
    /// No credentials, or wrong ones.
    Unauthenticated,
    /// The store knows the caller and refuses.
    Refused,
    /// There is no such folder, bucket or object.
    NotFound,
    /// No space, or a quota is used up.
    Full,
    /// The folder or its file system cannot be written.
    ReadOnly,
    /// The store lacks what the commit protocol needs.
    Unsupported,
    /// Other bytes are there already, and nothing is ever overwritten.
    Conflict,
    /// An object is larger than one request may be.
    TooLarge,
    /// Something in the store is not what its place promises.
    Malformed,
    /// No answer, a broken connection, or an error on the store's side: whether the request took effect is unknown.
    Unknown,
}

impl Cause {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Configuration => {
                "stores are a folder, file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX"
            }
            Self::Unauthenticated => {
                "set the store's credentials in the environment (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION)"
            }
            Self::Refused => "the credentials need to create, read and list objects below this URL, and nothing more",
            Self::NotFound => "check the URL; kubeproof makes folders, never buckets",
            Self::Full => "free some space or raise the quota, then run again: nothing that was committed is lost",
            Self::ReadOnly => "choose a folder that this user can write, with --store",
            Self::Unsupported => {
                "the store must support conditional creation (If-None-Match) and, for folders, hard links"
            }
            Self::Conflict => {
                "another program wrote there: keep the store for kubeproof alone, and look at who can write to it"
            }
            Self::TooLarge => "leave resources out of the collection, or split the cluster's run by framework",
            Self::Malformed => "kubeproof verify names what is wrong with the store",
            Self::Unknown => "check that the store is reachable from here and run again",
        }
    }
}

impl StoreError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.cause.hint()
    }

    /// Whether the request may have taken effect, so that reading back decides.
    pub(crate) fn is_unknown(&self) -> bool {
        self.cause == Cause::Unknown
    }

    /// An error of a backend, with the credentials in `secrets` blanked wherever they appear.
    pub(crate) fn of_backend(action: &'static str, at: String, error: &Backend, secrets: &[String]) -> Self {
        let detail = secrets.iter().fold(describe(error), |text, secret| text.replace(secret.as_str(), "[credential]"));
        Self { action, at, cause: classify(error), detail }
    }
}

fn classify(error: &Backend) -> Cause {
    if let Some(cause) = io_cause(error) {
        return cause;
    }
    if let Some(cause) = of_answer(&error.to_string()) {
        return cause;
    }
    match error {
        Backend::NotFound { .. } => Cause::NotFound,
        Backend::AlreadyExists { .. } => Cause::Conflict,
        Backend::PermissionDenied { .. } => Cause::Refused,
        Backend::Unauthenticated { .. } => Cause::Unauthenticated,
        Backend::NotImplemented { .. } | Backend::NotSupported { .. } => Cause::Unsupported,
        Backend::InvalidPath { .. } => Cause::Malformed,
        Backend::UnknownConfigurationKey { .. } => Cause::Configuration,
        _ => Cause::Unknown,
    }
}

/// Answers that backends wrap as text: S3 error codes keep their meaning, whatever the HTTP status around them.
fn of_answer(text: &str) -> Option<Cause> {
    const CODES: [(&str, Cause); 11] = [
        ("XMinioStorageFull", Cause::Full),
        ("QuotaExceeded", Cause::Full),
        ("InsufficientStorage", Cause::Full),
        ("AccessDenied", Cause::Refused),
        ("InvalidAccessKeyId", Cause::Unauthenticated),
        ("SignatureDoesNotMatch", Cause::Unauthenticated),
        ("ExpiredToken", Cause::Unauthenticated),
        ("NoSuchBucket", Cause::NotFound),
        ("EntityTooLarge", Cause::TooLarge),
        ("NotImplemented", Cause::Unsupported),
        // MinIO answers 400 where a bucket's lock refuses.
        ("InvalidRequest", Cause::Refused),
    ];
    CODES.iter().find(|(code, _)| text.contains(&format!("<Code>{code}</Code>"))).map(|(_, cause)| *cause)
}

fn io_cause(error: &Backend) -> Option<Cause> {
    match io_error(error)?.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Cause::Full),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Some(Cause::ReadOnly),
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Some(Cause::Malformed),
        io::ErrorKind::Unsupported => Some(Cause::Unsupported),
        _ => None,
    }
}

fn io_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<io::Error>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// One line for people: the operating system's words, or S3's code and message, else the innermost text.
fn describe(error: &Backend) -> String {
    if let Some(found) = io_error(error) {
        return lower_first(&found.to_string());
    }
    let text = error.to_string();
    let tag =
        |name: &str| text.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>")).map(|(inner, _)| inner);
    if let (Some(code), Some(message)) = (tag("Code"), tag("Message")) {
        return format!("{code}: {}", message.trim_end_matches('.'));
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let line = innermost.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    lower_first(line.chars().take(300).collect::<String>().trim_end_matches('.'))
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}
