//! Which objects a run saw and which rules decided, for comparison with the next run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::sight::reference;
use crate::{
    collect::Coverage,
    digest::Digest,
    period::facts::Facts,
    snapshot::{Table, TableError},
};

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
pub(in crate::period) struct Objects {
    by_reference: BTreeMap<String, Digest>,
    digests: BTreeSet<Digest>,
    kinds: BTreeSet<String>,
    /// Rows by resource (`deployments.apps`).
    pub(super) by_resource: BTreeMap<String, u64>,
}

impl Objects {
    pub(in crate::period) fn of(table: &Table<'_>, coverage: &Coverage) -> Result<Self, TableError> {
        let (kinds, namespaces) = (table.texts("kind")?, table.optional("namespace")?);
        let (names, digests) = (table.texts("name")?, table.texts("digest")?);
        let mut objects =
            Self { kinds: coverage.lists.iter().map(|list| list.kind.clone()).collect(), ..Self::default() };
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
    tool: Arc<str>,
    declared: Arc<BTreeMap<String, Digest>>,
    /// Files of checks, by check.
    files: Arc<BTreeMap<String, Digest>>,
    /// Checks that ran.
    ran: Arc<BTreeSet<String>>,
    clocked: Arc<BTreeSet<String>>,
}

impl Ruled {
    pub(super) fn of(facts: &Facts) -> Self {
        let deciding = facts.run.declared.iter().filter(|(name, _)| !UNDECIDING.contains(&name.as_str()));
        Self {
            tool: facts.run.tool_version.as_str().into(),
            declared: Arc::new(deciding.map(|(name, digest)| (name.clone(), *digest)).collect()),
            files: Arc::new(facts.check_files.clone()),
            ran: Arc::new(facts.checks.keys().cloned().collect()),
            clocked: Arc::new(facts.clocked.clone()),
        }
    }

    /// The same objects would be judged alike by that check. What another version of the tool reads out of the same
    /// file is not known.
    pub(super) fn decide_alike(&self, other: &Self, check: &str) -> bool {
        (&self.tool, &self.declared) == (&other.tool, &other.declared)
            && self.files.get(check) == other.files.get(check)
            && self.ran.contains(check) == other.ran.contains(check)
    }

    /// The check is still there, as it was in `before`, and did not run.
    pub(super) fn kept_silent(&self, before: &Self, check: &str) -> bool {
        !self.ran.contains(check) && self.files.contains_key(check) && self.files.get(check) == before.files.get(check)
    }

    /// What the check of that id says depends on the time.
    pub(super) fn reads_clock(&self, check: &str) -> bool {
        self.clocked.contains(check)
    }
}
