//! Numbers of runs for Prometheus: a text file for each run, and `/metrics` of the daemon, which joins them.
//!
//! Names are stable; every label has few values: severities, outcomes, statuses, frameworks, schedules. `serve` is the
//! only server in kubeproof.

mod exposition;
mod run;
mod schedules;
pub mod serve;

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

pub use exposition::{carried_over, merged};
pub use run::{Evidence, Run};
pub use schedules::Schedules;

/// Every name begins with it.
const PREFIX: &str = "kubeproof";

/// Labels of one sample.
type Labels = Vec<(&'static str, String)>;

/// A metric with its samples, in the order in which they are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<(Labels, Value)>,
}

/// What a sample says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    /// A count, or seconds since 1970.
    Whole(i64),
    /// Seconds and parts of them.
    Real(f64),
    /// What only grows while the process lives; its name ends in `_total`.
    Counter(u64),
}

impl Value {
    /// A count; more than any machine holds stays the greatest number.
    fn count(n: impl TryInto<i64>) -> Self {
        Self::Whole(n.try_into().unwrap_or(i64::MAX))
    }

    fn encode(self, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => ConstGauge::new(value).encode(encoder),
            Self::Real(value) => ConstGauge::new(value).encode(encoder),
            Self::Counter(value) => ConstCounter::new(value).encode(encoder),
        }
    }
}

impl Family {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: Vec::new() }
    }

    fn one(name: &'static str, help: &'static str, value: Value) -> Self {
        Self::new(name, help).with([], value)
    }

    fn with<const N: usize>(mut self, labels: [(&'static str, &str); N], value: Value) -> Self {
        self.samples.push((labels.into_iter().map(|(name, value)| (name, value.to_owned())).collect(), value));
        self
    }

    fn metric_type(&self) -> MetricType {
        match self.samples.first() {
            Some((_, Value::Counter(_))) => MetricType::Counter,
            _ => MetricType::Gauge,
        }
    }
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, family.metric_type())?;
            for (labels, value) in &family.samples {
                match labels.as_slice() {
                    [] => value.encode(metric.encode_family::<[(&str, String); 0]>(&[])?)?,
                    _ => value.encode(metric.encode_family(labels)?)?,
                }
            }
        }
        Ok(())
    }
}

/// The families in Prometheus' text format, `common` labels on each sample.
pub fn text(families: Vec<Family>, common: &[(&'static str, &str)]) -> String {
    let labels = common.iter().map(|(name, value)| ((*name).into(), (*value).to_owned().into()));
    let mut registry = Registry::with_prefix_and_labels(PREFIX, labels);
    registry.register_collector(Box::new(Families(families)));
    let mut text = String::new();
    // A text takes whatever is written to it.
    let _ = prometheus_text::encode(&mut text, &registry);
    text
}

/// The program and its version.
pub fn build() -> Vec<Family> {
    let info = Family::new("build_info", "The version of kubeproof, always 1.");
    vec![info.with([("version", env!("CARGO_PKG_VERSION"))], Value::Whole(1))]
}
