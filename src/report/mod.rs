//! Stage 5: the documents that people read.
