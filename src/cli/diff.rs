//! `kubeproof diff`: what changed between two moments, and why.

mod document;

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDate, Utc};
use clap::ValueEnum;
use serde::Serialize;

use super::{
    Exit, Failure, Outcome,
    check::FailOn,
    clock, key_source, load_failure, output,
    progress::Progress,
    settings::{self, DefinitionArgs, Settings},
    source,
    stores::{self, StoreArgs, runtime, trusted_key},
    verify,
};
use crate::{
    bundle::keys::{KeySet, VerifyingKey},
    clock::Clock,
    collect::{cluster::Configz, inputs},
    drift::{Drift, Part, Selection},
    pipeline::{self, Moment},
    report::{self, Hands, Line, Tone},
};

/// Tell what changed between bundles, recorded clusters or manifests, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each change has one cause: the cluster, the rules, what could be seen, or a declaration. The old side is judged
again by the rules of the new one, so that new checks are not taken for a worse cluster. A bundle is verified before
anything is read from it, and brings its own rules.

Exit codes: 0 done, 1 something new reached --fail-on-new, 2 usage or I/O, 3 a bundle is tampered with, 4 its key is
not trusted.

Examples:
  kubeproof diff october/ november/
  kubeproof diff evidence/clusters/prod-0a1b2c3d/bundles/OLD evidence/clusters/prod-0a1b2c3d/bundles/NEW --key signing.pub
  kubeproof diff october/ november/ --audit-log /var/log/kubernetes/audit
  kubeproof diff --store s3://evidence/prod 2026-07-01 2026-09-30 --key signing.pub
  kubeproof diff october/ november/ --format pdf --output drift.pdf
  kubeproof diff main/ branch/ --only findings --fail-on-new high --format markdown")]
pub(super) struct Args {
    /// Bundle, recorded cluster, or manifests, before; with --store a day (2026-07-01)
    old: PathBuf,
    /// Bundle, recorded cluster, or manifests, after; with --store a day
    new: PathBuf,
    /// Store from which the last run on each day or before is taken
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Cluster in the store: its name, or its folder
    #[arg(long, value_name = "NAME", requires = "store")]
    cluster: Option<String>,
    /// Audit log of the API server, or a folder of them, from which changes have the names of who made them; may be
    /// repeated (audit.k8s.io/v1, also rotated and .gz). Runs that were given one in their inputs need none here
    #[arg(long, value_name = "PATH")]
    audit_log: Vec<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the result into a file in place of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Kind of change to show; may be repeated [default: all]
    #[arg(long, value_enum)]
    only: Vec<Only>,
    /// Findings from this severity on; off shows all
    #[arg(long, value_enum, default_value_t = FailOn::Off)]
    severity: FailOn,
    /// Changes in this namespace alone
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Severity from which a new failure makes the exit code 1; it counts what is shown
    #[arg(long, value_enum, default_value_t = FailOn::Off)]
    fail_on_new: FailOn,
    /// Public key that bundles must verify with [default: the user's own]
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
    #[command(flatten)]
    definitions: DefinitionArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// kubeproof.dev/diff/v1
    Json,
    /// For a comment or a ticket
    Markdown,
    /// A page that opens from the disk
    Html,
    /// A page to read first, then the detail: PDF/A-3a and PDF/UA-1
    Pdf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Findings,
    Permissions,
    Objects,
    Rules,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    old: Side<'a>,
    new: Side<'a>,
    drift: &'a Drift,
}

#[derive(Debug, Serialize)]
struct Side<'a> {
    name: &'a str,
    cluster: &'a str,
    index: Option<u64>,
    finished: DateTime<Utc>,
}

pub(super) fn run(args: &Args) -> Outcome {
    args.fits(io::stdout().is_terminal())?;
    let settings = settings::load(&args.definitions)?;
    let clock = clock()?;
    let keys = key_source::find(&settings, None, true)?.keys;
    let key = trusted_key(args.key.as_deref())?.unwrap_or_else(|| keys.signing.public());
    let reader = Reader { settings: &settings, keys: &keys, key, clock: clock.as_ref() };
    let (old, mut new) = match &args.store {
        None => (reader.moment(&args.old)?, reader.moment(&args.new)?),
        Some(url) => reader.days(&StoreArgs::of(url.clone(), args.cluster.clone()), [&args.old, &args.new])?,
    };
    if !args.audit_log.is_empty() {
        add_audit_logs(&mut new, &args.audit_log, clock.now())?;
    }
    let mut drift = pipeline::diff(&old, &new).map_err(|errors| load_failure(&errors))?;
    // Who changed what is known of the whole, also where only a part of it is asked for.
    let hands = Hands::of(&drift, [&old.evaluation, &new.evaluation]);
    let selection = args.selection();
    selection.apply(&mut drift);
    let compared = Compared { old: &old, new: &new, drift: &drift, selection: &selection, hands: &hands };
    write(args, &settings, &compared)?;
    let reached = args.fail_on_new.severity().is_some_and(|least| drift.has_new(least));
    Ok(if reached { Exit::Reached } else { Exit::Done })
}

/// Adds the logs to the later side, and says what of them cannot be used.
fn add_audit_logs(new: &mut Moment, paths: &[PathBuf], now: DateTime<Utc>) -> Result<(), Failure> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(Failure::usage(format!("{}: no such file or folder", missing.display()))
            .hint("--audit-log names what kube-apiserver writes at --audit-log-path, or a folder of such files"));
    }
    new.add_audit_logs(paths, now).iter().for_each(|error| output::note(&format!("warning: {error}")));
    let reason = new.coverage.list(inputs::audit::RESOURCE).and_then(|list| list.outcome.reason());
    reason.iter().for_each(|reason| output::note(&format!("warning: --audit-log: {reason}")));
    Ok(())
}

impl Args {
    /// A terminal shows no PDF.
    fn fits(&self, terminal: bool) -> Result<(), Failure> {
        if terminal && self.format == Format::Pdf && self.output.is_none() {
            return Err(Failure::usage("a PDF is nothing for a terminal")
                .hint("name a file with --output drift.pdf, or redirect standard output"));
        }
        Ok(())
    }

    fn selection(&self) -> Selection {
        let part = |only: &Only| match only {
            Only::Findings => Part::Findings,
            Only::Permissions => Part::Permissions,
            Only::Objects => Part::Objects,
            Only::Rules => Part::Rules,
        };
        Selection {
            parts: self.only.iter().map(part).collect(),
            severity: self.severity.severity(),
            namespace: self.namespace.clone(),
        }
    }
}

struct Reader<'a> {
    settings: &'a Settings,
    keys: &'a KeySet,
    key: VerifyingKey,
    clock: &'a dyn Clock,
}

impl Reader<'_> {
    fn days(&self, place: &StoreArgs, [old, new]: [&Path; 2]) -> Result<(Moment, Moment), Failure> {
        let (old, new) = (day(old)?, day(new)?);
        if old > new {
            return Err(Failure::usage(format!("{old} is after {new}")).hint("the earlier day comes first"));
        }
        let (store, runtime) = (place.open()?, runtime()?);
        let cluster = runtime.block_on(place.one_cluster(&store))?;
        let at = |day: NaiveDate| {
            let (mut passed_over, now) = (Vec::new(), self.clock.now());
            let found = Moment::of_day(&store, &cluster, day, &self.key, now, &mut passed_over);
            let found = runtime.block_on(found).map_err(stores::failure)?;
            passed_over.iter().for_each(|sentence| output::note(&format!("warning: {sentence}")));
            let moment = found.ok_or_else(|| {
                Failure::usage(format!("{}: no run of {cluster} on {day} or before verifies", store.url()))
                    .hint("kubeproof list shows what the store holds; --key names the key that signed it")
            })?;
            let index = moment.index.map_or_else(String::new, |index| format!(", log entry {index}"));
            output::note(&format!("{day}: bundle {}{index}, ended {}", &moment.name[..12], ended(&moment)));
            Ok(moment)
        };
        Ok((at(old)?, at(new)?))
    }

    fn moment(&self, path: &Path) -> Result<Moment, Failure> {
        if source::is_bundle(path) {
            return Moment::of_bundle(path, &self.key, self.clock.now()).map_err(|unproved| {
                let exit = unproved.verdict.map_or(Exit::Usage, verify::exit_of);
                Failure::usage(format!("{}: {unproved}", path.display()))
                    .exit(exit)
                    .hint(format!("kubeproof verify {} --key PUBLIC_KEY says more", path.display()))
            });
        }
        let request = source::Request {
            from: Some(path),
            kubeconfig: None,
            context: None,
            inputs: None,
            node_reports: None,
            configz: Configz::NotAsked,
            settings: self.settings,
        };
        let progress = Progress::new();
        let collected = runtime()?.block_on(source::collect(&request, Some(self.keys), self.clock, &progress))?;
        progress.clear();
        collected.errors.iter().for_each(|error| output::note(&format!("warning: {error}")));
        Moment::of_source(collected, self.settings.rules.clone(), &self.settings.frameworks)
            .map_err(|errors| load_failure(&errors))
    }
}

/// Two moments and what lies between them.
struct Compared<'a> {
    old: &'a Moment,
    new: &'a Moment,
    drift: &'a Drift,
    selection: &'a Selection,
    hands: &'a Hands,
}

/// A result, ready to be written.
enum Form {
    /// Styled where it is printed.
    Lines(Vec<Line>),
    /// As it is.
    Bytes(Vec<u8>),
}

fn write(args: &Args, settings: &Settings, compared: &Compared<'_>) -> Result<(), Failure> {
    match (form(args, settings, compared)?, &args.output) {
        (Form::Lines(lines), None) => output::lines(&lines),
        (Form::Bytes(bytes), None) => output::bytes(&bytes),
        (Form::Lines(lines), Some(file)) => {
            output::file(file, lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes())
        }
        (Form::Bytes(bytes), Some(file)) => output::file(file, &bytes),
    }
}

fn form(args: &Args, settings: &Settings, compared: &Compared<'_>) -> Result<Form, Failure> {
    let Compared { old, new, drift, .. } = compared;
    Ok(match args.format {
        Format::Json => {
            let document = Document { schema: "kubeproof.dev/diff/v1", old: side(old), new: side(new), drift };
            let mut json = serde_json::to_vec_pretty(&document).map_err(Failure::usage)?;
            json.push(b'\n');
            Form::Bytes(json)
        }
        Format::Text => {
            let title = Line::default().with(Tone::Plain, title(old, new));
            Form::Lines(std::iter::once(title).chain(report::drift_text(drift)).collect())
        }
        Format::Markdown => {
            Form::Bytes(format!("## {}\n\n{}", title(old, new), report::drift_markdown(drift)).into_bytes())
        }
        Format::Html | Format::Pdf => Form::Bytes(document::document(args, settings, compared)?),
    })
}

fn side(moment: &Moment) -> Side<'_> {
    Side { name: &moment.name, cluster: moment.cluster(), index: moment.index, finished: moment.finished() }
}

/// `26 Oct 2026 06:00 UTC`.
fn ended(moment: &Moment) -> impl std::fmt::Display {
    moment.finished().format("%-d %b %Y %H:%M UTC")
}

fn day(text: &Path) -> Result<NaiveDate, Failure> {
    let text = text.to_string_lossy();
    text.parse().map_err(|_| Failure::usage(format!("'{text}' is no day")).hint("with --store write days: 2026-09-30"))
}

/// `shop-prod, 26 Oct 2026 06:00 UTC to 23 Nov 2026 06:00 UTC`.
fn title(old: &Moment, new: &Moment) -> String {
    let clusters = match old.cluster() == new.cluster() {
        true => new.cluster().to_owned(),
        false => format!("{} and {}", old.cluster(), new.cluster()),
    };
    format!("{clusters}, {} to {}", ended(old), ended(new))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Asked {
        #[command(flatten)]
        args: Args,
    }

    fn asked(flags: &str) -> Args {
        Asked::try_parse_from(["diff", "old", "new one"].into_iter().chain(flags.split_whitespace())).unwrap().args
    }

    #[test]
    fn a_pdf_is_not_written_to_a_terminal() {
        let refused = asked("--format pdf").fits(true).unwrap_err();
        assert!(refused.hint.unwrap().contains("--output"));
        for (flags, terminal) in [("--format pdf", false), ("--format pdf -o x.pdf", true), ("--format html", true)] {
            assert!(asked(flags).fits(terminal).is_ok(), "{flags}");
        }
    }

    #[test]
    fn the_command_that_makes_a_document_again_can_be_typed() {
        let again = |flags: &str, proved| document::again(&asked(flags), proved).unwrap();
        assert_eq!(again("--format pdf", false), "kubeproof diff old 'new one' --format pdf --output drift.pdf");
        let flags = "--format html --only findings --only rules --severity high --namespace shop --config k.yaml \
                     --framework pci-dss -o here.html";
        let typed = "kubeproof diff old 'new one' --only findings --only rules --severity high --namespace shop --config \
                     k.yaml --framework pci-dss --key signing.pub --format html --output drift.html";
        assert_eq!(again(flags, true), typed);
        let stored = "--store s3://evidence/prod --cluster eu --key k.pub --format pdf";
        let typed = "kubeproof diff old 'new one' --store s3://evidence/prod --cluster eu --key k.pub --format pdf \
                     --output drift.pdf";
        assert_eq!(again(stored, true), typed);
    }
}
