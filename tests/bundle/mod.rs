//! Bundles, logs and their verification: a golden bundle, defects by name, any changed byte, and foreign judges.

mod chain;
mod draft;
mod flip;
mod golden;
mod judges;
mod negative;
mod replay;
mod results;
