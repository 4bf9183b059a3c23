//! `kubeproof checks policy`: checks as ValidatingAdmissionPolicy.

use std::{collections::BTreeSet, path::PathBuf};

use clap::ValueEnum;
use serde::Serialize;

use super::{Exit, Failure, Outcome, load, load_failure, plural};
use crate::{
    config::nearest,
    framework::{
        self, Check, Library, Minor, load_frameworks,
        policy::{self, EXEMPT, Rendered, Unrenderable},
    },
};

/// Render checks as ValidatingAdmissionPolicy with its binding, for `kubectl apply -f -`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Pods, pods that get ephemeral containers and every kind that makes pods are matched. What cannot be \
                  rendered is named on standard error with the reason. Clusters of 1.30 and later have these policies.\n\n\
                  Examples:\n  \
                  kubeproof checks policy container-privileged\n  \
                  kubeproof checks policy --framework pss-baseline --action Audit,Warn | kubectl apply -f -"
)]
pub(super) struct Args {
    /// Check id [default: every check that can be rendered]
    id: Option<String>,
    /// Only the checks that decide a requirement of this framework
    #[arg(long, value_name = "ID", conflicts_with_all = ["id", "checks"])]
    framework: Option<String>,
    /// Folder of check files of your own, instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    checks: Option<PathBuf>,
    /// Configuration file: the parameters that it sets are part of the policies
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What happens to an object that fails
    #[arg(long, value_enum, value_delimiter = ',', default_value = "Deny")]
    action: Vec<Action>,
    /// Namespace that is left alone; repeat it for several [default: kube-system, kube-public, kube-node-lease]
    #[arg(long, value_name = "NAMESPACE")]
    exempt: Vec<String>,
    /// Kubernetes version whose policy is rendered, as 1.37 [default: the newest known]
    #[arg(long, value_name = "1.N")]
    kubernetes_version: Option<Minor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Action {
    Deny,
    Warn,
    Audit,
}

impl From<Action> for policy::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Deny => Self::Deny,
            Action::Warn => Self::Warn,
            Action::Audit => Self::Audit,
        }
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    let actions: BTreeSet<policy::Action> = args.action.iter().map(|action| (*action).into()).collect();
    if actions.contains(&policy::Action::Deny) && actions.contains(&policy::Action::Warn) {
        return Err(Failure::usage("Deny and Warn cannot stand together: who is refused needs no warning")
            .hint("--action Deny, or --action Audit,Warn"));
    }
    let library = load(args.checks.as_deref(), args.config.as_deref())?;
    let wanted = wanted(args, &library)?;
    let exempt = match args.exempt.is_empty() {
        true => EXEMPT.iter().map(|name| (*name).to_string()).collect(),
        false => args.exempt.clone(),
    };
    let mut documents = Vec::new();
    let mut left_out: Vec<(&Check, Unrenderable)> = Vec::new();
    for check in wanted {
        let policy = check.policy(args.kubernetes_version, &std::collections::BTreeMap::new());
        match policy::render(check, &policy, &actions, &exempt) {
            Ok(rendered) => documents.push(yaml(&rendered)?),
            Err(reason) => left_out.push((check, reason)),
        }
    }
    if let (Some(id), Some((_, reason))) = (&args.id, left_out.first()) {
        return Err(Failure::usage(format!("check '{id}' cannot be rendered: {reason}"))
            .hint("'kubeproof checks list' shows what each check judges: pods and kinds can be rendered"));
    }
    for (check, reason) in &left_out {
        anstream::eprintln!("left out: {}: {reason}", check.id);
    }
    if documents.is_empty() {
        return Err(Failure::usage(format!("none of {} can be rendered", plural(left_out.len(), "check"))));
    }
    anstream::print!("{}", documents.join("---\n"));
    Ok(Exit::Done)
}

/// The checks that are asked for.
fn wanted<'a>(args: &Args, library: &'a Library) -> Result<Vec<&'a Check>, Failure> {
    if let Some(id) = &args.id {
        return library.check(id).map(|check| vec![check]).ok_or_else(|| {
            let known = library.checks().map(|check| check.id.as_str());
            let hint =
                nearest(id, known).map_or("kubeproof checks list".to_string(), |id| format!("did you mean '{id}'?"));
            Failure::usage(format!("there is no check '{id}'")).hint(hint)
        });
    }
    let Some(framework) = &args.framework else { return Ok(library.checks().collect()) };
    let frameworks = load_frameworks(&framework::embedded(), library).map_err(|errors| load_failure(&errors))?;
    let versions: Vec<_> = frameworks.iter().filter(|known| known.id == *framework).collect();
    // Of several versions the newest stands last.
    let Some(found) = versions.last() else {
        let known = frameworks.iter().map(|known| known.id.as_str());
        let hint =
            nearest(framework, known).map_or("kubeproof frameworks list".into(), |id| format!("did you mean '{id}'?"));
        return Err(Failure::usage(format!("there is no framework '{framework}'")).hint(hint));
    };
    let ids: BTreeSet<&String> = found.requirements.iter().flat_map(|row| &row.decides).collect();
    Ok(ids.into_iter().filter_map(|id| library.check(id)).collect())
}

fn yaml(rendered: &Rendered) -> Result<String, Failure> {
    fn one(value: &impl Serialize) -> Result<String, Failure> {
        serde_saphyr::to_string(value).map_err(|error| Failure::usage(format!("policy: {error}")))
    }
    Ok(format!("{}---\n{}", one(&rendered.policy)?, one(&rendered.binding)?))
}
