//! Collecting, held against Kubernetes' own code.

mod cluster;
mod generated;
mod yaml;
