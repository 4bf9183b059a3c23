//! kubeproof turns a Kubernetes cluster's state into evidence that an auditor accepts.
//!
//! Data goes one way. Every stage is a function from values to values; only the first and the last touch the world:
//!
//! 1. [`collect`]: what was asked, what was answered, what was refused
//! 2. [`snapshot`]: redacted, canonical, sorted, digested; with [`rbac`] for what the grants mean
//! 3. [`evaluate`]: checks to findings to requirements, by the definitions that [`framework`] loads
//! 4. [`drift`]: against the last verified snapshot, with the cause of every change
//! 5. [`report`]: the documents that people read
//! 6. [`bundle`]: manifest, in-toto statement, DSSE envelope, log entry; and `verify`
//! 7. [`store`]: create-only objects, the commit last
//!
//! [`pipeline`] strings them together for one run, [`lake`] turns it into tables for query engines, and [`notify`] tells of
//! it; [`schedule`] repeats it, and [`metrics`] counts; [`period`] joins many runs into one package; [`cli`] is the only
//! module that prints.
//! The clock, the random source and the keys are inputs: the same inputs give the same bytes.
//!
//! `kube` is used in [`collect`] alone, `object_store` in [`store`], `typst` in [`report`], signing keys in [`bundle`].

pub mod canonical;
pub mod clock;
pub mod config;
pub mod digest;
pub mod replace;
pub mod resource;

pub mod collect;
pub mod snapshot;

pub mod rbac;

pub mod framework;

pub mod evaluate;

pub mod drift;

pub mod report;

pub mod bundle;

pub mod store;

pub mod pipeline;

pub mod notify;

pub mod schedule;

pub mod metrics;

pub mod lake;

pub mod period;

pub mod cli;
