//! Stage 7: create-only objects, the commit last.
