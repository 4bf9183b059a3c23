//! Collecting, held against Kubernetes' own code.

mod yaml;
