//! Many bundles of some weeks become one signed package that an auditor can work from alone.
//!
//! Every bundle is verified before anything of it is read; one that fails is named and left out. Then it is reduced to
//! what the package needs of it, and dropped before the next one is read. [`model`] is what the package says
//! (`data/period.json`) and what every document of it is made of.

mod build;
pub mod cadence;
pub(crate) mod carried;
pub mod day;
pub mod documents;
pub mod evidence;
mod facts;
mod failures;
mod log;
pub mod model;
mod names;
mod package;
pub mod pseudonym;
mod read;
mod rules;
pub mod sample;
pub(crate) mod veil;
mod window;
pub mod words;
pub(crate) mod writers;
pub(crate) mod written;

pub(crate) use build::{
    Span, asked_since, comparison, effectiveness, naming, overdue, repair_times, standing, stood, unaccounted,
};
pub use cadence::Planned;
pub(crate) use cadence::cadence;
pub use model::Period;
pub(crate) use package::claims;
pub use package::{Holding, Made, PeriodError, Request, make};
pub(crate) use rules::FRAMEWORKS;
