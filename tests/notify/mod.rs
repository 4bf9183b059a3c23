//! Hooks and metrics against real servers on loopback, a real scraper's parser, and the binary as a user runs it.

mod delivery;
mod metrics;
mod run;
