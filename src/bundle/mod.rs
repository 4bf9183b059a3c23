//! Stage 6: manifest, statement, envelope, log entry; and `verify`, which trusts nothing before it is proved.
//!
//! [`seal()`] turns files into a signed bundle; [`log`] orders the bundles of a cluster; [`verify`](mod@verify) is the
//! way back. All three are functions from values to values: only [`keys`] and [`verify::read`] touch files.

pub mod bag;
pub mod draft;
pub mod envelope;
pub mod keys;
pub mod log;
pub mod package;
pub mod seal;
pub mod sigstore;
pub mod statement;
pub mod verify;

pub use bag::evidence_root;
pub use keys::{KeySet, LogKey, SigningKey, VerifyingKey};
pub use log::{Commit, Leaf};
pub use seal::{Facts, SignedBundle, seal};
pub use statement::Predicate;

/// Origin of a cluster's log: the first line of its checkpoints and the name of its key in them.
///
/// `folder` is [`crate::collect::ClusterIdentity::folder`].
pub fn log_origin(folder: &str) -> String {
    format!("{LOG_ORIGIN}/{folder}")
}

/// Whether somebody who writes `wanted` means this folder of a cluster, which is the cluster's name in small letters and
/// the first digits of a uid: `prod-eu` means `prod-eu-1a2b3c4d`.
pub fn is_cluster(folder: &str, wanted: &str) -> bool {
    folder == wanted || folder.rsplit_once('-').is_some_and(|(name, _)| name == wanted.to_lowercase())
}

/// What every log origin begins with.
pub const LOG_ORIGIN: &str = "kubeproof.dev/log";

/// Predicate type of the statement in a bundle.
pub const PREDICATE_TYPE: &str = "https://kubeproof.dev/evidence/v1";
