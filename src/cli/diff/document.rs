//! The comparison as a document, and the command that makes it again.

use std::path::Path;

use clap::ValueEnum;

use super::{Args, Compared, Format};
use crate::{
    cli::{Failure, settings::Settings},
    report::{self, DriftInput},
};

/// The bytes of the PDF or the page.
pub(super) fn document(args: &Args, settings: &Settings, compared: &Compared<'_>) -> Result<Vec<u8>, Failure> {
    let Compared { old, new, drift, selection, hands } = compared;
    let proved = old.proof.or(new.proof).is_some();
    let input = DriftInput {
        drift,
        selection,
        old: &old.described(),
        new: &new.described(),
        hands,
        declarations: &new.evaluation.declarations,
        again: &again(args, proved)?,
        environment: new.environment.as_deref(),
        confidentiality: settings.config.confidentiality.as_deref(),
        tool_version: env!("CARGO_PKG_VERSION"),
    };
    match args.format {
        Format::Html => report::drift_html(&input).map(String::into_bytes).map_err(Failure::usage),
        _ => report::drift_pdf(&input).map_err(Failure::usage),
    }
}

/// The command as it would be typed by somebody who was given the same two sides; where evidence was verified, with the
/// key that it is held against.
pub(super) fn again(args: &Args, proved: bool) -> Result<String, Failure> {
    let side = |path: &Path| path.to_string_lossy().into_owned();
    let mut words = vec!["kubeproof".to_owned(), "diff".to_owned(), side(&args.old), side(&args.new)];
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    if let Some(store) = &args.store {
        flag("--store", store);
    }
    if let Some(cluster) = &args.cluster {
        flag("--cluster", cluster);
    }
    for log in &args.audit_log {
        flag("--audit-log", &side(log));
    }
    for only in &args.only {
        flag("--only", &typed(only));
    }
    if args.severity.severity().is_some() {
        flag("--severity", &typed(&args.severity));
    }
    if let Some(namespace) = &args.namespace {
        flag("--namespace", namespace);
    }
    let definitions = &args.definitions;
    let config = definitions.config.iter().map(|path| ("--config", path));
    let checks = definitions.check_dirs.iter().map(|path| ("--checks", path));
    let frameworks = definitions.framework_dirs.iter().map(|path| ("--frameworks", path));
    for (name, path) in config.chain(checks).chain(frameworks) {
        flag(name, &path.to_string_lossy());
    }
    for framework in &definitions.frameworks {
        flag("--framework", framework);
    }
    match &args.key {
        Some(key) => flag("--key", &key.to_string_lossy()),
        None if proved => flag("--key", "signing.pub"),
        None => {}
    }
    let format = typed(&args.format);
    flag("--format", &format);
    flag("--output", &format!("drift.{format}"));
    shlex::try_join(words.iter().map(String::as_str)).map_err(Failure::usage)
}

/// A value as it is typed.
fn typed(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
