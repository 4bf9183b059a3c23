//! The whole line on real parts: the binary itself against a real API server.

mod audit;
mod bad_input;
mod clouds;
mod determinism;
mod diff;
mod end_to_end;
mod examples;
mod kubelets;
mod least_privilege;
mod manifests;
mod nodes;
mod redaction;
mod unseen;
pub mod workspace;
