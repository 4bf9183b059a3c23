//! What is kept of the writes: the newest of each object, and a bounded number of all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::event::Written;

/// Writes kept of people, operators and pipelines, and of Kubernetes' own components.
const MAX: [usize; 2] = [20_000, 5_000];
/// Writes kept of one object, likewise.
const MAX_OF_OBJECT: [usize; 2] = [20, 3];

/// Orders writes; a request that stands in two files is one.
type Key = (DateTime<Utc>, String);
/// Resource, namespace and name.
type Target = (String, Option<String>, Option<String>);

/// Writes of one kind of writer.
#[derive(Default)]
struct Share {
    writes: BTreeMap<Key, Written>,
    of_object: BTreeMap<Target, BTreeSet<Key>>,
}

impl Share {
    fn remove(&mut self, key: &Key) -> Option<Written> {
        let written = self.writes.remove(key)?;
        let target = target(&written);
        if let Some(own) = self.of_object.get_mut(&target) {
            own.remove(key);
            if own.is_empty() {
                self.of_object.remove(&target);
            }
        }
        Some(written)
    }
}

/// The writes that are kept while files are read.
#[derive(Default)]
pub(super) struct Kept {
    shares: [Share; 2],
    /// Writes that were dropped again.
    pub(super) cut: u64,
    /// When the last one ended that people did and of whose object none is kept in its place.
    pub(super) cut_until: Option<DateTime<Utc>>,
}

impl Kept {
    /// Takes a write in, and drops the oldest where there are too many.
    pub(super) fn add(&mut self, written: Written) {
        let of = usize::from(written.write.is_system());
        let key = (written.write.time, written.write.audit_id.clone());
        let share = &mut self.shares[of];
        let own = share.of_object.entry(target(&written)).or_default();
        if !own.insert(key.clone()) {
            return;
        }
        let oldest_of_object = (own.len() > MAX_OF_OBJECT[of]).then(|| own.first().cloned()).flatten();
        share.writes.insert(key, written);
        if let Some(oldest) = oldest_of_object {
            share.remove(&oldest);
            self.cut += 1;
        } else if share.writes.len() > MAX[of]
            && let Some(oldest) = share.writes.first_key_value().map(|(key, _)| key.clone())
            && let Some(oldest) = share.remove(&oldest)
        {
            self.leave_out(&oldest);
        }
    }

    /// Counts a write that is not kept at all.
    pub(super) fn leave_out(&mut self, written: &Written) {
        self.cut += 1;
        if !written.write.is_system() {
            self.cut_until = self.cut_until.max(Some(written.write.time));
        }
    }

    /// Takes in what another log holds.
    pub(super) fn merge(&mut self, other: Self) {
        self.cut += other.cut;
        self.cut_until = self.cut_until.max(other.cut_until);
        other.shares.into_iter().flat_map(|share| share.writes.into_values()).for_each(|written| self.add(written));
    }

    /// All that is kept, the latest first.
    pub(super) fn into_writes(self) -> Vec<Written> {
        let [people, system] = self.shares;
        let mut all: Vec<(Key, Written)> = people.writes.into_iter().chain(system.writes).collect();
        all.sort_by(|(a, _), (b, _)| b.cmp(a));
        all.into_iter().map(|(_, written)| written).collect()
    }
}

fn target(written: &Written) -> Target {
    (written.write.resource_id(), written.namespace.clone(), written.write.name.clone())
}
