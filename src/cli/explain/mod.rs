//! `kubeproof explain`: a check, a requirement, a framework or a finding, in plain words.

mod find;
mod package;
#[cfg(test)]
mod tests;
mod words;

use std::{collections::BTreeSet, path::PathBuf};

use chrono::NaiveDate;

use super::{
    Exit, Failure, Outcome,
    frameworks::coverage_word,
    load_failure,
    settings::{self, DefinitionArgs},
    text::{Page, day, plural},
};
use crate::{
    config::nearest,
    framework::{self, Check, Framework, Library, Requirement, load::checks_of, load_frameworks, select},
};

/// Explain a check, a requirement or a finding, or what a package says of it
///
/// With --package, the package is verified first, as 'verify' does it. A requirement (pci-dss/2.2.6) then shows its state
/// on every run, or on the runs around one day; an exception (X-0001, or its finding's id) its course; a declaration
/// (W-4) what became of it; an object (sha256:...) its bytes. Each names the signed files that prove it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 explained; 2 usage, or nothing of that name; of a package also 3 tampered, 4 untrusted
(no key, or another one), 5 incomplete.

Examples:
  kubeproof explain container-privileged
  kubeproof explain pci-dss/1.3.1
  kubeproof explain pss-restricted
  kubeproof explain 3f9c                  a finding of the newest run in ./evidence
  kubeproof explain 3f9c --bundle DIR
  kubeproof explain pci-dss/2.2.6 --package q3 --on 2026-08-12 --key signing.pub
  kubeproof explain X-0001 --package q3 --key signing.pub
  kubeproof explain sha256:1f0c77aa --package q3 --key signing.pub | sha256sum")]
pub(super) struct Args {
    /// Check id, framework/requirement, framework id, or the first characters of a finding's id; of a package also the
    /// id of an exception or a declaration, or sha256: and the first digits of an object's digest
    name: String,
    /// Bundle folder that holds the finding
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Local store in which the newest bundle with the finding is looked for
    #[arg(long, value_name = "DIR", default_value = "evidence")]
    store: PathBuf,
    /// Configuration file: its parameters are shown where they are set
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Package that 'kubeproof period' wrote
    #[arg(long, value_name = "DIR", conflicts_with_all = ["bundle", "store", "config"])]
    package: Option<PathBuf>,
    /// Day of the package's period, in UTC [default: all of them]
    #[arg(long, value_name = "DAY", requires = "package", value_parser = day)]
    on: Option<NaiveDate>,
    /// Cluster of the package: its name, or its folder [default: all]
    #[arg(long, value_name = "NAME", requires = "package")]
    cluster: Option<String>,
    /// Public key to trust (signing.pub), received by a way that does not lead through the store
    #[arg(long, value_name = "PUB", requires = "package")]
    key: Option<PathBuf>,
}

/// Shortest beginning of a finding's id that is looked for.
const SHORTEST_ID: usize = 4;

/// Deciding checks whose reasons a requirement's page gives in full.
const SHOWN_CHECKS: usize = 3;

/// Ids outside a framework that its page names; the report has all.
const SHOWN_OUTSIDE: usize = 5;

pub(super) fn run(args: &Args) -> Outcome {
    if let Some(folder) = &args.package {
        return package::run(args, folder);
    }
    let files = settings::load(&DefinitionArgs::of(args.config.clone()))?.rules;
    let library = Library::load(&files).map_err(|errors| load_failure(&errors))?;
    let frameworks = load_frameworks(&files, &library).map_err(|errors| load_failure(&errors))?;
    let known = Known { library, frameworks };
    let page = match known.page(&args.name) {
        Some(page) => page,
        None if is_finding_id(&args.name) || args.bundle.is_some() => known.finding(args)?,
        None => return Err(known.unknown(&args.name)),
    };
    anstream::print!("{}", page.text());
    Ok(Exit::Done)
}

fn is_finding_id(name: &str) -> bool {
    name.len() >= SHORTEST_ID
        && name.len() <= 16
        && name.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
}

struct Known {
    library: Library,
    frameworks: Vec<Framework>,
}

impl Known {
    fn page(&self, name: &str) -> Option<Page> {
        if let Some(check) = self.library.check(name) {
            return Some(self.check(check));
        }
        if let Some((framework, id)) = name.split_once('/') {
            let framework = select::find(&self.frameworks, framework).ok()?;
            let row = framework.requirements.iter().find(|row| row.id == id);
            return row.map(|row| self.requirement(framework, row)).or_else(|| outside(framework, id));
        }
        select::find(&self.frameworks, name).ok().map(framework_page)
    }

    fn check(&self, check: &Check) -> Page {
        let mut page = Page::default();
        page.heading(&format!("{}: {}", check.id, check.title));
        page.say("Severity", &words::severity(check));
        self.describe(check, &mut page);
        page
    }

    /// All that a check's own file says, and what follows from it.
    fn describe(&self, check: &Check, page: &mut Page) {
        page.say("Asks", &words::asks(check));
        page.say("Expects", &words::expected(check));
        page.say("Why", &check.why);
        page.say("Fix", &check.remediation);
        page.gap();
        page.say("Decides by", &format!("{} (CEL, the newest Kubernetes)", words::policy(check)));
        page.items("Parameters", words::parameters(check));
        if let Some(when) = &check.when {
            page.say("Only when", when.text());
        }
        page.say("Reads", &format!("{}. {}", words::inputs(check).join(", "), words::REFUSED));
        page.say("Not seen", words::unseen(&check.on));
        page.gap();
        page.items("Serves", self.serves(check));
        page.items("More", &check.references);
    }

    fn serves(&self, check: &Check) -> Vec<String> {
        let mut lines = Vec::new();
        for framework in &self.frameworks {
            let served = |list: fn(&Requirement) -> &Vec<String>| {
                let rows = framework.requirements.iter().filter(|row| list(row).contains(&check.id));
                rows.map(|row| row.id.as_str()).collect::<Vec<_>>()
            };
            for (word, rows) in [("decides", served(|row| &row.decides)), ("supports", served(|row| &row.supports))] {
                if !rows.is_empty() {
                    lines.push(format!("{} ({word}): {}", framework.id, rows.join(", ")));
                }
            }
        }
        lines
    }

    fn requirement(&self, framework: &Framework, row: &Requirement) -> Page {
        let mut page = Page::default();
        page.heading(&format!("{}/{}: {}", framework.id, row.id, row.title));
        page.say("Framework", &framework.title);
        for (label, value) in [("Section", &row.section), ("Level", &row.level), ("How often", &row.periodicity)] {
            if let Some(value) = value {
                page.say(label, value);
            }
        }
        page.say("Coverage", &format!("{}: {}", coverage_word(row.coverage), coverage_sentence(row)));
        if let Some(assessment) = &row.assessment {
            page.say("Benchmark", &format!("calls this {assessment}"));
        }
        if let Some(note) = &row.note {
            page.say("Note", note);
        }
        let decides: Vec<&Check> = row.decides.iter().filter_map(|id| self.library.check(id)).collect();
        self.decided(&decides, &mut page);
        if !row.supports.is_empty() {
            page.gap();
            page.items("Facts from", row.supports.iter().map(|id| self.titled(id)));
        }
        let serves = self.also_served(framework, row);
        if !serves.is_empty() {
            page.gap();
            page.items("Also serves", serves);
        }
        page.gap();
        page.say("Next", &next(row));
        page
    }

    /// How a requirement is decided: why it matters, from what, with what blind spots, and what to do.
    fn decided(&self, decides: &[&Check], page: &mut Page) {
        if decides.is_empty() {
            return;
        }
        let each = |text: fn(&Check) -> &str| {
            let shown = decides.iter().take(SHOWN_CHECKS);
            shown
                .map(
                    |check| {
                        if decides.len() == 1 { text(check).into() } else { format!("{}: {}", check.id, text(check)) }
                    },
                )
                .collect::<Vec<String>>()
        };
        page.gap();
        page.items("Decided by", decides.iter().map(|check| self.titled(&check.id)));
        page.gap();
        page.items("Why", each(|check| &check.why));
        page.items("Fix", each(|check| &check.remediation));
        if let more @ 1.. = decides.len().saturating_sub(SHOWN_CHECKS) {
            page.say("", &format!("and for {more} more: kubeproof explain ID"));
        }
        page.gap();
        let inputs: BTreeSet<String> = decides.iter().flat_map(|check| words::inputs(check)).collect();
        let inputs = inputs.into_iter().collect::<Vec<_>>().join(", ");
        page.say("Reads", &format!("{inputs}. {}", words::REFUSED));
        let unseen: BTreeSet<&str> = decides.iter().map(|check| words::unseen(&check.on)).collect();
        page.items("Not seen", unseen);
    }

    fn titled(&self, id: &str) -> String {
        self.library.check(id).map_or_else(|| id.to_string(), |check| format!("{id}: {}", check.title))
    }

    /// Requirements of every framework that some deciding check of this one decides too.
    fn also_served(&self, framework: &Framework, row: &Requirement) -> Vec<String> {
        let shares = |other: &&Requirement| other.decides.iter().any(|check| row.decides.contains(check));
        let lines = self.frameworks.iter().filter_map(|other| {
            let same = |id: &str| other.id == framework.id && (id == row.id || other.version != framework.version);
            let rows = other.requirements.iter().filter(shares).map(|row| row.id.as_str()).filter(|id| !same(id));
            let rows: Vec<&str> = rows.collect();
            (!rows.is_empty()).then(|| format!("{}: {}", other.id, rows.join(", ")))
        });
        lines.collect()
    }

    fn finding(&self, args: &Args) -> Result<Page, Failure> {
        let found = match &args.bundle {
            Some(bundle) => find::in_bundle(bundle, &args.name)?,
            None => find::newest(&args.store, &args.name),
        };
        let Some((finding, bundle)) = found else { return Err(find::no_finding(args)) };
        let mut page = Page::default();
        page.heading(&format!("{} {}: {}", finding.id, finding.resource, finding.message));
        page.say("Outcome", &words::outcome(&finding));
        if let Some(reason) = &finding.reason {
            page.say("Reason", reason);
        }
        page.say(
            "Place",
            if finding.place.stable.is_empty() { "the object as a whole" } else { &finding.place.stable },
        );
        page.say("Observed", &words::plain(&finding.observed));
        page.say("Expected", &finding.expected);
        if let Some(file) = &finding.file {
            page.say("File", &format!("{}:{}", file.path, file.line));
        }
        if let Some(owner) = &finding.owner {
            page.say("Owner", owner);
        }
        page.items("Evidence", finding.evidence.iter().map(ToString::to_string));
        page.say(
            "Bundle",
            &format!("{}, not verified here: kubeproof verify says whether it can be trusted", bundle.display()),
        );
        page.gap();
        match self.library.check(&finding.check) {
            Some(check) => {
                page.say("Check", &format!("{}, {}: {}", check.id, words::severity(check), check.title));
                self.describe(check, &mut page);
            }
            None => page.say("Check", &format!("{}, which this program does not carry", finding.check)),
        }
        Ok(page)
    }

    fn unknown(&self, name: &str) -> Failure {
        let checks = self.library.checks().map(|check| check.id.clone());
        let rows = self.frameworks.iter().flat_map(|framework| {
            let own = framework.requirements.iter().map(move |row| format!("{}/{}", framework.id, row.id));
            own.chain([framework.id.clone()])
        });
        let all: Vec<String> = checks.chain(rows).collect();
        let failure = Failure::usage(format!("nothing here is called '{name}'"));
        if package::is_of_package(name) {
            return failure.hint("name the package that it is of: --package DIR --key signing.pub");
        }
        match nearest(name, all.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean '{near}'?")),
            None => failure.hint("'kubeproof checks list' and 'kubeproof frameworks list' show what there is"),
        }
    }
}

fn framework_page(framework: &Framework) -> Page {
    let mut page = Page::default();
    page.heading(&format!("{}: {}", framework.id, framework.title));
    page.say("Version", &framework.version);
    if let Some(kubernetes) = &framework.kubernetes {
        page.say("Kubernetes", kubernetes);
    }
    page.say("Source", &framework.source);
    let rows = framework.requirements.iter();
    let mut counts = [0; 3];
    rows.for_each(|row| counts[row.coverage as usize] += 1);
    page.say(
        "Rows",
        &format!(
            "{}: {} decided by checks, {} in part, {} by a person",
            plural(framework.requirements.len(), "requirement"),
            counts[0],
            counts[1],
            counts[2]
        ),
    );
    let meaning = match framework.kind {
        framework::FrameworkKind::Regulation => {
            "A cluster alone satisfies no law: rows end as 'exceptions noted' or 'no exceptions noted, needs a person', \
             and only within a scope that scope.yaml declares"
        }
        framework::FrameworkKind::Benchmark | framework::FrameworkKind::Guide => {
            "Automated rows pass or fail by their checks; the others need a person's word (attestations.yaml)"
        }
    };
    page.say("Means", meaning);
    if !framework.outside.is_empty() {
        page.gap();
        let shown =
            framework.outside.iter().take(SHOWN_OUTSIDE).map(|outside| format!("{}: {}", outside.id, outside.about));
        page.items("Left out", shown.collect::<Vec<_>>());
        let more = framework.outside.len().saturating_sub(SHOWN_OUTSIDE);
        if more > 0 {
            page.say("", &format!("and {more} more, in the report"));
        }
    }
    page.gap();
    page.say("Next", &format!("kubeproof frameworks show {}", framework.id));
    page
}

fn outside(framework: &Framework, id: &str) -> Option<Page> {
    let outside = framework.outside.iter().find(|outside| outside.id == id)?;
    let mut page = Page::default();
    page.heading(&format!("{}/{}", framework.id, outside.id));
    page.say("About", &outside.about);
    page.say("Not here", "no check of this program looks at it, and it is listed so that nobody thinks otherwise");
    Some(page)
}

fn coverage_sentence(row: &Requirement) -> &'static str {
    use framework::RowCoverage::{Automated, Manual, Partial};
    match row.coverage {
        Automated => "the checks decide it",
        Partial => "the checks decide part of it, a person must add the rest",
        Manual if row.supports.is_empty() => "a person decides it",
        Manual => "a person decides it; the checks give facts to decide by",
    }
}

fn next(row: &Requirement) -> String {
    match checks_of(row).next() {
        Some(check) => format!("kubeproof explain {check}"),
        None => "an entry in attestations.yaml, with the files that show it".into(),
    }
}
