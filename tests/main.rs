//! The one integration-test binary: polars and typst are linked once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says why"
)]

mod admission;
mod bundle;
mod check;
mod collect;
mod example;
mod harness;
mod lake;
mod live;
mod notify;
mod period;
mod rules;
mod store;
