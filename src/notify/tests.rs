//! What is said, over invented runs; delivery has its tests on real servers.
