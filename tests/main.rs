//! The one integration-test binary: polars and typst are linked once.
