//! What the API server's own admission says, against what the checks say: a cluster of these tests' own, since they
//! install policies and fill namespaces.

mod api;
mod complete;
mod fields;
mod install;
mod pod_security;
mod pods;
mod policies;
mod settle;

use std::sync::OnceLock;

use crate::harness::cluster::Cluster;

/// The cluster that judges.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start("cp-1"))
}
