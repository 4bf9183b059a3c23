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

/// The writes that are kept while files are read.
#[derive(Default)]
pub(super) struct Kept {
    shares: [Share; 2],
    /// Writes that were dropped again.
    pub(super) cut: u64,
    /// When the last of them ended.
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
        let oldest = (own.len() > MAX_OF_OBJECT[of]).then(|| own.first().cloned()).flatten();
        share.writes.insert(key, written);
        let oldest = oldest.or_else(|| {
            let too_many = share.writes.len() > MAX[of];
            too_many.then(|| share.writes.first_key_value().map(|(key, _)| key.clone())).flatten()
        });
        if let Some(oldest) = oldest {
            self.drop(of, &oldest);
        }
    }

    fn drop(&mut self, of: usize, key: &Key) {
        let share = &mut self.shares[of];
        let Some(written) = share.writes.remove(key) else { return };
        let target = target(&written);
        if let Some(own) = share.of_object.get_mut(&target) {
            own.remove(key);
            if own.is_empty() {
                share.of_object.remove(&target);
            }
        }
        self.cut += 1;
        self.cut_until = self.cut_until.max(Some(key.0));
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
