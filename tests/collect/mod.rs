//! Collecting, held against Kubernetes' own code.

mod cluster;
mod scans;
mod yaml;
