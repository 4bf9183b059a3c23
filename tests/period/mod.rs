//! A period's package: real bundles in a real store, small enough that every fact in them is known.

mod bad_input;
mod documents;
mod operation;
mod package;
mod quarter;
