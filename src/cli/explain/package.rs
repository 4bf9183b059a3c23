//! What a verified package says of one requirement, one exception, one declaration or one object.

mod between;
mod declaration;
mod exception;
mod framework;
mod object;
mod requirement;
mod words;

use std::{collections::BTreeSet, path::Path};

use chrono::NaiveDate;

use super::{Args, is_finding_id};
use crate::{
    bundle::verify::Proved,
    cli::{Exit, Failure, Outcome, stores::packaged, text::Page, verify::proved_package},
    config::nearest,
    evaluate::FindingId,
    period::model::{ClusterPeriod, DeclarationPeriod, Exception, FrameworkPeriod, Period},
};

/// What may be asked of a package.
const ASKED: &str = "ask for a framework (pci-dss), a requirement (pci-dss/2.2.6), an exception (X-0001, or its finding's id), a \
     declaration (W-4) or an object (sha256:...)";

/// A package and what is asked of it.
struct Question<'a> {
    proved: &'a Proved,
    /// The package's folder and the options that prove it, as they are typed.
    again: String,
    on: Option<NaiveDate>,
    clusters: Vec<&'a ClusterPeriod>,
}

/// Verifies the package, then prints what it says of `args.name`.
///
/// # Errors
/// The package is not verified, or knows nothing of that name.
pub(super) fn run(args: &Args, package: &Path) -> Outcome {
    let proved = proved_package(package, args.key.as_deref())?;
    check_day(args.on, &proved.period)?;
    let key = args.key.as_deref().map_or_else(String::new, |key| format!(" --key {}", key.display()));
    let question = Question {
        again: format!("--package {}{key}", package.display()),
        on: args.on,
        clusters: packaged(&proved.period, args.cluster.as_deref())?,
        proved: &proved,
    };
    match args.name.as_str() {
        name if name.starts_with("sha256:") => object::print(&question, name)?,
        name if is_exception(name) => anstream::print!("{}", question.exception(name)?.text()),
        name if name.contains('/') => anstream::print!("{}", question.requirement(name)?.text()),
        name if question.framework(name).is_some() => {
            let mut page = Page::default();
            question.framework(name).into_iter().for_each(|known| framework::describe(&question, known, &mut page));
            anstream::print!("{}", page.text());
        }
        name if is_finding_id(name) && !question.declares(name) => {
            anstream::print!("{}", question.finding(name)?.text());
        }
        name => anstream::print!("{}", question.declaration(name)?.text()),
    }
    Ok(Exit::Done)
}

fn check_day(on: Option<NaiveDate>, period: &Period) -> Result<(), Failure> {
    let (first, last) = (period.from, period.last_day());
    match on.filter(|day| !(first..=last).contains(day)) {
        Some(day) => Err(Failure::usage(format!("{day} is no day of this package: it speaks of {first} to {last}"))
            .hint("name a day of the period with --on, or leave it out for all of them")),
        None => Ok(()),
    }
}

/// Whether only a package knows something of that name.
pub(super) fn is_of_package(name: &str) -> bool {
    is_exception(name) || name.starts_with("sha256:")
}

/// `X-0001`.
fn is_exception(name: &str) -> bool {
    name.strip_prefix("X-").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

impl<'a> Question<'a> {
    /// A page for each cluster that has the exception: ids are unique within a cluster.
    fn exception(&self, id: &str) -> Result<Page, Failure> {
        self.check_no_day()?;
        let found: Vec<(&ClusterPeriod, &Exception)> =
            self.clusters.iter().filter_map(|cluster| Some((*cluster, cluster.exception(id)?))).collect();
        if found.is_empty() {
            let last = self.clusters.iter().map(|cluster| cluster.exceptions.len()).max().unwrap_or(0);
            let failure = Failure::usage(format!("no exception {id} in the package"));
            return Err(failure.hint(match last {
                0 => "it has none".to_owned(),
                last => format!("its exceptions are X-0001 to X-{last:04}"),
            }));
        }
        self.courses(&found)
    }

    /// The same of a finding's id, which is the same in every package: a failure that came back has several courses.
    fn finding(&self, prefix: &str) -> Result<Page, Failure> {
        self.check_no_day()?;
        let of_cluster = |cluster: &'a ClusterPeriod| {
            let own = cluster.exceptions.iter().filter(|x| x.finding.to_string().starts_with(prefix));
            own.map(move |x| (cluster, x))
        };
        let found: Vec<(&ClusterPeriod, &Exception)> =
            self.clusters.iter().flat_map(|cluster| of_cluster(cluster)).collect();
        let ids: BTreeSet<FindingId> = found.iter().map(|(_, x)| x.finding).collect();
        match ids.len() {
            0 => Err(Failure::usage(format!(
                "no exception of the package has a finding whose id begins with '{prefix}'"
            ))
            .hint("a finding that never failed in the period is in the bundles alone")),
            1 => self.courses(&found),
            several => {
                Err(Failure::usage(format!("'{prefix}' begins {several} findings")).hint("write more of the id"))
            }
        }
    }

    fn check_no_day(&self) -> Result<(), Failure> {
        match self.on {
            Some(_) => Err(Failure::usage("an exception has days of its own").hint("leave out --on")),
            None => Ok(()),
        }
    }

    fn courses(&self, found: &[(&ClusterPeriod, &Exception)]) -> Result<Page, Failure> {
        let mut page = Page::default();
        for (at, (cluster, exception)) in found.iter().enumerate() {
            if at > 0 {
                page.gap();
            }
            exception::describe(self, cluster, exception, &mut page)?;
        }
        Ok(page)
    }

    fn framework(&self, id: &str) -> Option<&'a FrameworkPeriod> {
        self.proved.period.frameworks.iter().find(|known| known.id == id)
    }

    fn declares(&self, id: &str) -> bool {
        self.clusters.iter().any(|cluster| cluster.declarations.iter().any(|said| said.id == id))
    }

    /// What people declared under that id, cluster by cluster.
    fn declaration(&self, id: &str) -> Result<Page, Failure> {
        let of_cluster = |cluster: &'a ClusterPeriod| {
            cluster.declarations.iter().filter(|said| said.id == id).map(move |said| (cluster, said))
        };
        let found: Vec<(&ClusterPeriod, &DeclarationPeriod)> =
            self.clusters.iter().flat_map(|cluster| of_cluster(cluster)).collect();
        if found.is_empty() {
            return Err(Failure::usage(format!("the package says nothing of '{id}'")).hint(ASKED));
        }
        let mut page = Page::default();
        for (at, (cluster, said)) in found.iter().enumerate() {
            if at > 0 {
                page.gap();
            }
            declaration::describe(self, cluster, said, &mut page);
        }
        Ok(page)
    }

    /// A page for the requirement, cluster by cluster.
    fn requirement(&self, id: &str) -> Result<Page, Failure> {
        let known = |cluster: &&ClusterPeriod| cluster.requirements.iter().any(|row| row.full_id() == id);
        if !self.clusters.iter().any(known) {
            return Err(self.unknown(id));
        }
        let mut page = Page::default();
        requirement::describe(self, id, &mut page);
        Ok(page)
    }

    fn unknown(&self, id: &str) -> Failure {
        let (framework, _) = id.split_once('/').unwrap_or((id, ""));
        let frameworks: Vec<&str> = self.proved.period.frameworks.iter().map(|known| known.id.as_str()).collect();
        if let Some(outside) = self.outside(id) {
            return outside;
        }
        let failure = Failure::usage(format!("no run of the package was about '{id}'"));
        let rows: Vec<String> =
            self.clusters.iter().flat_map(|cluster| cluster.requirements.iter().map(|row| row.full_id())).collect();
        match nearest(id, rows.iter().map(String::as_str)) {
            Some(near) if frameworks.contains(&framework) => failure.hint(format!("did you mean '{near}'?")),
            _ => failure.hint(format!("its frameworks are {}", frameworks.join(", "))),
        }
    }

    /// An id that the framework has and no cluster can say anything about.
    fn outside(&self, id: &str) -> Option<Failure> {
        let (framework, row) = id.split_once('/')?;
        let framework = self.proved.period.frameworks.iter().find(|known| known.id == framework)?;
        let about = framework.outside.get(row)?;
        let failure = Failure::usage(format!("{id} is outside of what a cluster can show: {about}"));
        Some(failure.hint("other evidence answers it"))
    }
}
