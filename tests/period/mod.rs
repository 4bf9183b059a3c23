//! A period's package: real bundles in a real store, small enough that every fact in them is known.

mod auditor;
mod bad_input;
mod clusters;
mod command;
mod documents;
mod explain;
mod limited;
mod operation;
mod package;
mod pdf;
mod quarter;
mod reading;
mod results;
mod sample;
mod veil;
mod writers;
