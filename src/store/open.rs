//! Store URLs and the options that go with them.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path as FsPath, PathBuf},
    sync::Arc,
    time::Duration,
};

use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum},
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    local::LocalFileSystem,
    path::Path,
};
use url::Url;

use super::error::{Cause, StoreError};

/// A file of certificates to trust beside the system's, as all AWS tools read it.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Options of S3 stores. Those that would weaken the commit protocol or the connection are not among them.
const S3_OPTIONS: [&str; 24] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_ALLOW_HTTP",
    CA_BUNDLE,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IMDSV1_FALLBACK",
    "AWS_METADATA_ENDPOINT",
    "AWS_PROXY_URL",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SESSION_TOKEN",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
const GCS_OPTIONS: [&str; 3] =
    ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"];
const AZURE_OPTIONS: [&str; 7] = [
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_TENANT_ID",
];

/// What platforms and other programs put into the environment, and what changes nothing here.
const FOREIGN: [&str; 17] = [
    "AWS_ACCOUNT_ID",
    "AWS_AUTHORITY_HOST",
    "AWS_CLI_",
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_OUTPUT",
    "AWS_EC2_METADATA_",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_",
    "AWS_MAX_ATTEMPTS",
    "AWS_PAGER",
    "AWS_RETRY_MODE",
    "AWS_SDK_",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AZURE_AUTHORITY_HOST",
    "GOOGLE_CLOUD_",
    "GOOGLE_PROJECT",
];

/// A backend, where in it the store begins, and how both are called.
pub(super) struct Opened {
    pub(super) backend: Arc<dyn ObjectStore>,
    pub(super) root: Path,
    pub(super) url: String,
    pub(super) folder: Option<PathBuf>,
    /// Values that no message may repeat.
    pub(super) secrets: Vec<String>,
}

/// Whether a missing folder is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Refuse,
}

pub(super) fn open(text: &str, env: &BTreeMap<String, String>, missing: Missing) -> Result<Opened, StoreError> {
    match text.split_once("://") {
        None => folder(FsPath::new(text.strip_prefix("file:").unwrap_or(text)), missing),
        Some(("file", _)) => {
            let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
            folder(
                &path.ok_or_else(|| {
                    refused(text, "a file URL has three slashes and an absolute path, as file:///var/evidence")
                })?,
                missing,
            )
        }
        Some((scheme, _)) => remote(scheme, text, env),
    }
}

fn refused(url: &str, detail: impl Into<String>) -> StoreError {
    StoreError { action: "open", at: url.into(), cause: Cause::Configuration, detail: detail.into() }
}

fn folder(path: &FsPath, missing: Missing) -> Result<Opened, StoreError> {
    let absolute =
        std::path::absolute(path).map_err(|error| refused(&path.display().to_string(), error.to_string()))?;
    let at = absolute.display().to_string();
    let backend_error = |error: object_store::Error| StoreError::of_backend("open", at.clone(), &error, &[]);
    let io_error =
        |source: std::io::Error| backend_error(object_store::Error::Generic { store: "folder", source: source.into() });
    match (missing, absolute.exists()) {
        (_, true) => {}
        (Missing::Create, false) => {
            DirBuilder::new().recursive(true).mode(0o700).create(&absolute).map_err(io_error)?
        }
        (Missing::Refuse, false) => {
            return Err(StoreError { action: "open", at, cause: Cause::NotFound, detail: "no such folder".into() });
        }
    }
    if !absolute.is_dir() {
        return Err(refused(&at, "not a folder"));
    }
    let backend = LocalFileSystem::new_with_prefix(&absolute).map_err(backend_error)?.with_fsync(true);
    Ok(Opened {
        backend: Arc::new(backend),
        root: Path::default(),
        url: at,
        folder: Some(absolute),
        secrets: Vec::new(),
    })
}

fn remote(scheme: &str, text: &str, env: &BTreeMap<String, String>) -> Result<Opened, StoreError> {
    // A client of rustls without a process-wide provider panics; installing it twice is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = Url::parse(text).map_err(|error| refused(&without_userinfo(text), error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(refused(
            &without_userinfo(text),
            "credentials and options stand in the environment, never in the URL",
        ));
    }
    let bucket =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused(text, "the bucket's name is missing"))?;
    let root = Path::from_url_path(url.path()).map_err(|error| refused(text, error.to_string()))?;
    let (backend, secrets) = match scheme {
        "s3" => s3(text, bucket, env)?,
        "gs" => gcs(text, bucket, env)?,
        "az" => azure(text, bucket, env)?,
        other => return Err(refused(text, format!("unknown kind of store '{other}'"))),
    };
    Ok(Opened { backend, root, url: text.trim_end_matches('/').into(), folder: None, secrets })
}

/// The URL as it may be printed.
fn without_userinfo(text: &str) -> String {
    let plain = text.split(['?', '#']).next().unwrap_or_default();
    match (plain.split_once("://"), plain.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => plain.into(),
    }
}

type Backend = (Arc<dyn ObjectStore>, Vec<String>);

fn s3(url: &str, bucket: &str, env: &BTreeMap<String, String>) -> Result<Backend, StoreError> {
    let options = options(url, env, "AWS_", &S3_OPTIONS)?;
    let plain = |name: &str| name.starts_with("AWS_ENDPOINT") || name == "AWS_PROXY_URL";
    let allowed = options.iter().any(|(name, value)| *name == "AWS_ALLOW_HTTP" && value.eq_ignore_ascii_case("true"));
    if let Some((name, _)) =
        options.iter().find(|(name, value)| plain(name) && value.starts_with("http://") && !allowed)
    {
        return Err(refused(
            url,
            format!("{name} is plain http: use https, or set AWS_ALLOW_HTTP=true where the network is trusted"),
        ));
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        // Buckets with Object Lock demand a checksum.
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(retries())
        .with_client_options(s3_client(url, &options)?);
    for (name, value) in options.iter().filter(|(name, _)| *name != CA_BUNDLE) {
        let key: AmazonS3ConfigKey =
            name.to_lowercase().parse().map_err(|error: object_store::Error| refused(url, error.to_string()))?;
        builder = builder.with_config(key, *value);
    }
    let secrets = secrets(&options);
    let store = builder.build().map_err(|error| StoreError::of_backend("open", url.into(), &error, &secrets))?;
    Ok((Arc::new(store), secrets))
}

fn s3_client(url: &str, options: &[(&str, &str)]) -> Result<ClientOptions, StoreError> {
    let Some((_, path)) = options.iter().find(|(name, _)| *name == CA_BUNDLE) else { return Ok(client()) };
    let unreadable =
        |error: String| refused(url, format!("{CA_BUNDLE} {path} is not a file of PEM certificates: {error}"));
    let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(error.to_string()))?;
    Ok(certificates.into_iter().fold(client(), ClientOptions::with_root_certificate))
}

fn gcs(url: &str, bucket: &str, env: &BTreeMap<String, String>) -> Result<Backend, StoreError> {
    let options = options(url, env, "GOOGLE_", &GCS_OPTIONS)?;
    let mut builder =
        GoogleCloudStorageBuilder::new().with_bucket_name(bucket).with_retry(retries()).with_client_options(client());
    for (name, value) in &options {
        let key: GoogleConfigKey =
            name.to_lowercase().parse().map_err(|error: object_store::Error| refused(url, error.to_string()))?;
        builder = builder.with_config(key, *value);
    }
    let secrets = secrets(&options);
    let store = builder.build().map_err(|error| StoreError::of_backend("open", url.into(), &error, &secrets))?;
    Ok((Arc::new(store), secrets))
}

fn azure(url: &str, container: &str, env: &BTreeMap<String, String>) -> Result<Backend, StoreError> {
    let options = options(url, env, "AZURE_", &AZURE_OPTIONS)?;
    let mut builder =
        MicrosoftAzureBuilder::new().with_container_name(container).with_retry(retries()).with_client_options(client());
    for (name, value) in &options {
        let key: AzureConfigKey =
            name.to_lowercase().parse().map_err(|error: object_store::Error| refused(url, error.to_string()))?;
        builder = builder.with_config(key, *value);
    }
    let secrets = secrets(&options);
    let store = builder.build().map_err(|error| StoreError::of_backend("open", url.into(), &error, &secrets))?;
    Ok((Arc::new(store), secrets))
}

/// The options for one kind of store; a misspelt one must not be ignored, since the store would then be another.
fn options<'a>(
    url: &str,
    env: &'a BTreeMap<String, String>,
    prefix: &str,
    known: &[&str],
) -> Result<Vec<(&'a str, &'a str)>, StoreError> {
    let mut found = Vec::new();
    for (name, value) in env.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix)) {
        if known.contains(&name.as_str()) {
            if !value.is_empty() {
                found.push((name.as_str(), value.as_str()));
            }
        } else if name == "AWS_PROFILE" {
            if !env.contains_key("AWS_ACCESS_KEY_ID") {
                return Err(refused(
                    url,
                    "AWS_PROFILE is set, and profile files are not read: export the profile's keys instead",
                ));
            }
        } else if !FOREIGN.iter().any(|foreign| name.starts_with(foreign)) {
            let nearest = known.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
            let nearest = nearest.map(|nearest| format!(", did you mean {nearest}?")).unwrap_or_default();
            return Err(refused(url, format!("{name} is not an option of this kind of store{nearest}")));
        }
    }
    Ok(found)
}

fn secrets(options: &[(&str, &str)]) -> Vec<String> {
    let secret = |name: &str| {
        ["SECRET", "TOKEN", "_KEY", "KEY_ID"].iter().any(|part| name.contains(part)) && !name.ends_with("_FILE")
    };
    options
        .iter()
        .filter(|(name, value)| secret(name) && value.len() >= 8)
        .map(|(_, value)| (*value).to_owned())
        .collect()
}

fn client() -> ClientOptions {
    ClientOptions::new().with_connect_timeout(Duration::from_secs(10)).with_timeout(Duration::from_secs(300))
}

fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(5), base: 2.0 };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(60) }
}
