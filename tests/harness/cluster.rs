//! A real Kubernetes control plane with two hollow nodes.
