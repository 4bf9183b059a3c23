//! An auditor's sample, drawn from a verified package. Whoever has the package and the seed draws the same.
//!
//! Every member of the population gets a rank: the SHA-256 of the canonical JSON of
//! `[seed, root, class, cluster, namespace, kind, name]`, where `root` is the package's root in hex and `namespace` is
//! null for what has none. The smallest ranks are drawn. Stratified, every stratum gets one first where the size allows
//! it; the rest is shared by the strata's remaining sizes with the largest remainders, ties by cluster and namespace.
//! Since the root is in the rank, who makes the package cannot choose what a seed draws without making another package.

use std::{cmp::Reverse, collections::BTreeMap};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    evidence::{PROOF, proof_folder, table_path},
    model::{Cited, ClusterPeriod, Item, ItemClass, Period, RunNumber},
};
use crate::{
    canonical::{self, CanonicalError},
    digest::Digest,
};

/// `schema` of a sample in JSON.
pub const SCHEMA: &str = "kubeproof.dev/sample/v1";

/// What the auditor asks for.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Any text that the auditor chose.
    pub seed: &'a str,
    /// Items wanted.
    pub size: usize,
    /// Every namespace of every cluster is a stratum.
    pub by_namespace: bool,
    /// What is sampled.
    pub class: Class,
    /// Folder of the only cluster to draw from; `None` for all.
    pub cluster: Option<&'a str>,
}

/// What can be sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Deployments and the rest of what runs pods.
    Workload,
    /// Container images.
    Image,
    /// Users, groups and service accounts that hold rights.
    Subject,
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// The runs themselves, of which an auditor samples days.
    Run,
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Root of the package.
    pub root: Digest,
    /// Seed, as given.
    pub seed: String,
    /// What was sampled.
    pub class: Class,
    /// Cluster that it was limited to.
    pub cluster: Option<String>,
    /// Items wanted.
    pub size: usize,
    /// Items there were.
    pub population: usize,
    /// How many of each namespace, where strata were asked for.
    pub strata: Vec<Stratum>,
    /// What was drawn: by stratum, then by rank.
    pub items: Vec<Drawn>,
}

/// One stratum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stratum {
    /// Folder of the cluster.
    pub cluster: String,
    /// Namespace; `None` for what has none.
    pub namespace: Option<String>,
    /// Items there were.
    pub population: usize,
    /// Items drawn.
    pub drawn: usize,
}

/// An item, with what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drawn {
    /// The digest by which it was chosen.
    pub rank: Digest,
    /// Folder of its cluster.
    pub cluster: String,
    /// Namespace, where it has one.
    pub namespace: Option<String>,
    /// Kind; `Run` for runs.
    pub kind: String,
    /// Name; of a run its bundle.
    pub name: String,
    /// First run that saw it.
    pub first: Moment,
    /// Last run that saw it.
    pub last: Moment,
    /// Runs that saw it.
    pub runs: u32,
    /// What shows it.
    pub evidence: Vec<Shown>,
}

/// A run, and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Number of the run.
    pub run: RunNumber,
    /// When it ended, as it claims.
    pub finished: DateTime<Utc>,
}

/// Something in the package that a digest proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// `Deployment/shop/cart`; of a run the name of its manifest.
    pub resource: String,
    /// Digest of the object's text, or of the manifest.
    pub digest: Digest,
    /// The run that saw it so.
    #[serde(flatten)]
    pub moment: Moment,
    /// That run's bundle.
    pub bundle: Digest,
    /// File of the package that holds it.
    pub path: String,
    /// The object's text is not in the package, only its digest: it names what must not be read there.
    pub withheld: bool,
    /// Folder of the package with the manifest, the envelope and the log entry of the run.
    pub proof: String,
}

/// A member of the population before it is known whether it is drawn.
struct Member<'a> {
    rank: Digest,
    cluster: &'a ClusterPeriod,
    key: (Option<&'a str>, &'a str, String),
    of: Of<'a>,
}

enum Of<'a> {
    Item(&'a Item),
    Run(RunNumber),
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Workload, Self::Image, Self::Subject, Self::Namespace, Self::Node, Self::Run];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Image => "image",
            Self::Subject => "subject",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Run => "run",
        }
    }

    /// Its members are in namespaces, at least some of them.
    pub fn has_namespaces(self) -> bool {
        matches!(self, Self::Workload | Self::Subject)
    }

    fn holds(self, class: ItemClass) -> bool {
        class
            == match self {
                Self::Workload => ItemClass::Workload,
                Self::Image => ItemClass::Image,
                Self::Subject => ItemClass::Subject,
                Self::Namespace => ItemClass::Namespace,
                Self::Node => ItemClass::Node,
                Self::Run => return false,
            }
    }
}

/// Draws from what a verified package says; `root` is that package's.
///
/// # Errors
/// None in practice; the writer of canonical JSON reports through the same type.
pub fn draw(period: &Period, root: Digest, ask: &Ask<'_>) -> Result<Sample, CanonicalError> {
    let mut strata: BTreeMap<(&str, Option<&str>), Vec<Member<'_>>> = BTreeMap::new();
    for member in members(period, root, ask)? {
        let stratum = if ask.by_namespace { (member.cluster.folder.as_str(), member.key.0) } else { ("", None) };
        strata.entry(stratum).or_default().push(member);
    }
    let sizes: Vec<usize> = strata.values().map(Vec::len).collect();
    let shares = allocate(ask.size, &sizes);
    let (mut items, mut named) = (Vec::new(), Vec::new());
    for (((cluster, namespace), mut members), drawn) in strata.into_iter().zip(shares) {
        members.sort_by_key(|member| member.rank);
        let (cluster, namespace) = (cluster.to_owned(), namespace.map(str::to_owned));
        named.push(Stratum { cluster, namespace, population: members.len(), drawn });
        items.extend(members.iter().take(drawn).filter_map(drawn_item));
    }
    Ok(Sample {
        schema: SCHEMA,
        root,
        seed: ask.seed.to_owned(),
        class: ask.class,
        cluster: ask.cluster.map(str::to_owned),
        size: ask.size,
        population: sizes.iter().sum(),
        strata: if ask.by_namespace { named } else { Vec::new() },
        items,
    })
}

fn members<'a>(period: &'a Period, root: Digest, ask: &Ask<'_>) -> Result<Vec<Member<'a>>, CanonicalError> {
    let clusters = period.clusters.iter().filter(|cluster| ask.cluster.is_none_or(|wanted| wanted == cluster.folder));
    let mut members = Vec::new();
    for cluster in clusters {
        let items = cluster.population.iter().filter(|item| ask.class.holds(item.class));
        let items = items.map(|item| {
            let key = (item.namespace.as_deref(), item.kind.as_str(), item.name.clone());
            (key, Of::Item(item))
        });
        let runs = cluster.runs.iter().filter(|_| ask.class == Class::Run);
        let runs = runs.map(|run| ((None, "Run", run.bundle.hex()), Of::Run(run.number)));
        for (key, of) in items.chain(runs) {
            let (namespace, kind, name) = &key;
            let said = (ask.seed, root.hex(), ask.class.name(), &cluster.folder, namespace, kind, name);
            let rank = Digest::of(canonical::to_vec(&said)?);
            members.push(Member { rank, cluster, key, of });
        }
    }
    Ok(members)
}

/// Items of each stratum: one each where the size allows it, then by largest remainder, ties in the order of strata.
/// No stratum gets more than it has.
fn allocate(size: usize, sizes: &[usize]) -> Vec<usize> {
    let size = size.min(sizes.iter().sum());
    let each = usize::from(sizes.len() <= size);
    let rest = size - each * sizes.len();
    let weights: Vec<u128> = sizes.iter().map(|members| (members - each) as u128).collect();
    let total = weights.iter().sum::<u128>().max(1);
    let shares: Vec<u128> = weights.iter().map(|weight| weight * rest as u128).collect();
    let mut drawn: Vec<usize> = shares.iter().map(|share| each + usize::try_from(share / total).unwrap_or(0)).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|at| (Reverse(shares[*at] % total), *at));
    let left = size - drawn.iter().sum::<usize>();
    order.into_iter().take(left).for_each(|at| drawn[at] += 1);
    drawn
}

fn drawn_item(member: &Member<'_>) -> Option<Drawn> {
    let cluster = member.cluster;
    let moment = |run| cluster.run(run).map(|found| Moment { run, finished: found.finished });
    let (first, last, runs) = match member.of {
        Of::Item(item) => (item.first, item.last, item.runs),
        Of::Run(run) => (run, run, 1),
    };
    let evidence = match member.of {
        Of::Item(item) => item.evidence.iter().filter_map(|cited| object(cluster, cited)).collect(),
        Of::Run(run) => manifest(cluster, run).into_iter().collect(),
    };
    let (namespace, kind, name) = &member.key;
    Some(Drawn {
        rank: member.rank,
        cluster: cluster.folder.clone(),
        namespace: namespace.map(str::to_owned),
        kind: (*kind).to_owned(),
        name: name.clone(),
        first: moment(first)?,
        last: moment(last)?,
        runs,
        evidence,
    })
}

fn object(cluster: &ClusterPeriod, cited: &Cited) -> Option<Shown> {
    let run = cluster.run(cited.run)?;
    Some(Shown {
        resource: cited.resource.clone(),
        digest: cited.digest,
        moment: Moment { run: run.number, finished: run.finished },
        bundle: run.bundle,
        path: table_path(&cluster.folder),
        withheld: cluster.withheld.contains(&cited.digest),
        proof: proof_folder(&cluster.folder, run.number),
    })
}

fn manifest(cluster: &ClusterPeriod, number: RunNumber) -> Option<Shown> {
    let run = cluster.run(number)?;
    let proof = proof_folder(&cluster.folder, number);
    Some(Shown {
        resource: PROOF[0].to_owned(),
        digest: run.manifest,
        moment: Moment { run: number, finished: run.finished },
        bundle: run.bundle,
        path: format!("{proof}{}", PROOF[0]),
        withheld: false,
        proof,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_proportional_and_nobody_is_forgotten() {
        assert_eq!(allocate(25, &[300, 60, 30, 5]), [17, 4, 3, 1]);
        assert_eq!(allocate(4, &[300, 60, 30, 5]), [1, 1, 1, 1], "one each");
        assert_eq!(allocate(3, &[300, 60, 30, 5]), [2, 1, 0, 0], "fewer than strata: by size alone");
        assert_eq!(allocate(5, &[2, 2, 2]), [2, 2, 1], "ties by the order of strata");
        assert_eq!(allocate(99, &[2, 1]), [2, 1], "never more than there are");
        assert_eq!(allocate(0, &[2, 1]), [0, 0]);
        assert_eq!(allocate(25, &[]), [0; 0]);
    }

    proptest::proptest! {
        #[test]
        fn every_share_fits(size in 0_usize..500, sizes in proptest::collection::vec(1_usize..200, 0..30)) {
            let drawn = allocate(size, &sizes);
            assert_eq!(drawn.iter().sum::<usize>(), size.min(sizes.iter().sum()));
            assert!(drawn.iter().zip(&sizes).all(|(drawn, of)| drawn <= of));
            assert!(size < sizes.len() || drawn.iter().all(|drawn| *drawn > 0));
        }
    }
}
