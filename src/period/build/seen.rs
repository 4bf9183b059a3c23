//! Which objects a run saw and which rules decided, for comparison with the next run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::sight::reference;
use crate::{digest::Digest, period::facts::Facts, snapshot::TableError};

/// Declared files that say what is accepted or who answers, and decide no outcome.
const UNDECIDING: [&str; 7] = [
    "attestations.yaml",
    "attested-changed.json",
    "attested.json",
    "kubeproof.json",
    "owners.yaml",
    "providers.yaml",
    "waivers.yaml",
];

/// The objects of one run.
#[derive(Debug, Default)]
pub(super) struct Objects {
    by_reference: BTreeMap<String, Digest>,
    digests: BTreeSet<Digest>,
    kinds: BTreeSet<String>,
    /// Rows by resource (`deployments.apps`).
    pub(super) by_resource: BTreeMap<String, u64>,
}

impl Objects {
    pub(super) fn of(facts: &Facts) -> Result<Self, TableError> {
        let table = &facts.objects;
        let (kinds, namespaces) = (table.texts("kind")?, table.optional("namespace")?);
        let (names, digests) = (table.texts("name")?, table.texts("digest")?);
        let mut objects =
            Self { kinds: facts.coverage.lists.iter().map(|list| list.kind.clone()).collect(), ..Self::default() };
        for (row, resource) in table.texts("resource")?.into_iter().enumerate() {
            *objects.by_resource.entry(resource.to_owned()).or_default() += 1;
            let digest = digests[row].parse().map_err(|e| TableError::row("objects.parquet", row, format!("{e}")))?;
            objects.digests.insert(digest);
            objects.by_reference.entry(reference(kinds[row], namespaces[row], names[row])).or_insert(digest);
        }
        Ok(objects)
    }

    /// `Deployment/shop/cart` is there.
    pub(super) fn has(&self, reference: &str) -> bool {
        self.by_reference.contains_key(reference)
    }

    /// Digest of `Deployment/shop/cart`.
    pub(super) fn digest(&self, reference: &str) -> Option<Digest> {
        self.by_reference.get(reference).copied()
    }

    /// An object of that digest is there.
    pub(super) fn holds(&self, digest: Digest) -> bool {
        self.digests.contains(&digest)
    }

    /// Objects of that kind come from a list of the API.
    pub(super) fn lists(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }

    /// Objects of a kind, without it: `shop/cart`.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let prefix = format!("{kind}/");
        let end = prefix.len();
        self.by_reference
            .range(prefix.clone()..)
            .take_while(move |(reference, _)| reference.starts_with(&prefix))
            .map(move |(reference, _)| &reference[end..])
    }

    /// All rows.
    pub(super) fn rows(&self) -> u64 {
        self.by_resource.values().sum()
    }
}

/// What decided on one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruled {
    /// Digest of the library of checks.
    pub(super) checks: Digest,
    tool: Arc<str>,
    declared: Arc<BTreeMap<String, Digest>>,
    known: Arc<BTreeSet<String>>,
    clocked: Arc<BTreeSet<String>>,
}

impl Ruled {
    pub(super) fn of(facts: &Facts) -> Self {
        let deciding = facts.run.declared.iter().filter(|(name, _)| !UNDECIDING.contains(&name.as_str()));
        Self {
            checks: facts.run.checks,
            tool: facts.run.tool_version.as_str().into(),
            declared: Arc::new(deciding.map(|(name, digest)| (name.clone(), *digest)).collect()),
            known: Arc::new(facts.checks.keys().cloned().collect()),
            clocked: Arc::new(facts.clocked.clone()),
        }
    }

    /// The same objects would be judged alike.
    pub(super) fn decide_alike(&self, other: &Self) -> bool {
        (self.checks, &self.tool, &self.declared) == (other.checks, &other.tool, &other.declared)
    }

    /// A check of that id ran.
    pub(super) fn knows(&self, check: &str) -> bool {
        self.known.contains(check)
    }

    /// What the check of that id says depends on the time.
    pub(super) fn reads_clock(&self, check: &str) -> bool {
        self.clocked.contains(check)
    }
}
