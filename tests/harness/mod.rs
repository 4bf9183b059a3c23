//! Real servers and independent judges, built once for each user and started by the tests that need them.
//!
//! Nothing here is optional: a missing prerequisite fails the test with one sentence that says what to install.

pub mod cache;
pub mod cluster;
pub mod hooks;
pub mod judges;
pub mod minio;
pub mod supervised;
pub mod tools;

use std::collections::BTreeMap;

use bytes::Bytes;
pub use cluster::cluster;
pub use minio::minio;

/// The files of a signed bundle as a store gives them back.
pub fn plain(files: &BTreeMap<String, Bytes>) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect()
}

/// Chooses ring for every TLS client of this process, as `main` does: only the first call decides.
pub fn install_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
