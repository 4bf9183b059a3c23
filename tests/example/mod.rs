//! The quarter of a small shop: what its one command builds tells the story that its README tells.

mod write;

use std::path::{Path, PathBuf};

/// The first recording.
const FIRST: &str = "2026-07-06";
/// The weeks after it; the run of 17 August never began.
const WEEKS: &[&str] = &[
    "2026-07-13",
    "2026-07-20",
    "2026-07-27",
    "2026-08-03",
    "2026-08-10",
    "2026-08-24",
    "2026-08-31",
    "2026-09-07",
    "2026-09-14",
    "2026-09-21",
    "2026-09-28",
];

fn quarter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quarter")
}
