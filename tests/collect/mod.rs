//! Collecting, held against Kubernetes' own code.

mod cluster;
mod generated;
mod scans;
mod yaml;
