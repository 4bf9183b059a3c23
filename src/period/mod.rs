//! Many bundles of some weeks become one signed package that an auditor can work from alone.
//!
//! [`model`] is what the package says (`data/period.json`) and what every document of it is made of.

pub mod model;

pub use model::Period;
