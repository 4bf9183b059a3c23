//! One run: the seven stages strung together.
