//! The run's tables in the lake, and those of earlier runs that are not there yet: what waited as pending, what could
//! not be written at the time, what was committed before the lake was switched on.

use chrono::{DateTime, Utc};

use super::baseline;
use crate::{
    bundle::{KeySet, SignedBundle},
    lake::{self, RUNS, Source},
    store::{LakePlace, Patience, Slot, Store, StoreError},
};

/// Earlier runs that one run adds, and as many that it tries in vain: each is fetched and verified whole.
const MOST_EARLIER: usize = 8;

/// Adds a committed bundle and its log index to the lake of a store, then earlier ones, newest first.
///
/// What goes wrong here is a sentence and never ends a run: the bundle is committed, and the next run tries again.
pub async fn into_lake(
    store: &Store,
    cluster: &str,
    (bundle, index): (&SignedBundle, u64),
    keys: &KeySet,
    now: DateTime<Utc>,
) -> Vec<String> {
    let source = Source { bundle: bundle.id, index, predicate: &bundle.predicate, files: &bundle.files };
    let mut warnings = match write(store, cluster, &source).await {
        Ok(warnings) => warnings,
        // Earlier ones would fail in the same way.
        Err(reason) => return vec![format!("this run is not in the lake, the next one adds it: {reason}")],
    };
    match earlier(store, cluster, index, keys, now).await {
        Ok(more) => warnings.extend(more),
        Err(error) => warnings.push(format!("earlier runs are not added to the lake: {error}")),
    }
    warnings
}

/// Writes all tables of one run; sentences about those that somebody else had written otherwise.
async fn write<B: AsRef<[u8]>>(store: &Store, cluster: &str, source: &Source<'_, B>) -> Result<Vec<String>, String> {
    let patience = Patience::brief();
    let date = source.predicate.run.finished.date_naive();
    let place = LakePlace { cluster, date, index: source.index, bundle: source.bundle };
    let mut warnings = Vec::new();
    for file in lake::tables(source).map_err(|error| error.to_string())? {
        let put = store.put_lake(file.table, &place, file.bytes, patience).await;
        if !put.map_err(|error| error.to_string())? {
            let table = file.table;
            warnings.push(format!("lake/{table} holds other rows of log entry {} already; they stay", source.index));
        }
    }
    Ok(warnings)
}

/// Adds runs before `index` that are missing.
async fn earlier(
    store: &Store,
    cluster: &str,
    index: u64,
    keys: &KeySet,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    let there = store.lake_indexes(RUNS, cluster).await?;
    let missing: Vec<u64> = (0..index).rev().filter(|index| !there.contains(index)).collect();
    // An entry never stands in a slot before its index.
    let Some(first) = missing.iter().take(2 * MOST_EARLIER).next_back() else { return Ok(Vec::new()) };
    let log = store.log(cluster, &keys.log.public(), *first).await?;
    let wanted = |slot: &&Slot| missing.contains(&slot.commit.index()) && slot.commit.leaf().as_bundle().is_some();
    let (mut added, mut warnings, mut failed) = (0, Vec::new(), Vec::new());
    for slot in log.commits.iter().rev().filter(wanted) {
        match add(store, cluster, slot, keys, now).await {
            Ok(more) => {
                added += 1;
                warnings.extend(more);
            }
            Err(reason) => failed.push(format!("log entry {}: {reason}", slot.commit.index())),
        }
        if added == MOST_EARLIER || failed.len() == MOST_EARLIER {
            break;
        }
    }
    if let Some(first) = failed.first() {
        warnings.push(format!("{} earlier runs could not be added to the lake; {first}", failed.len()));
    }
    let left = missing.len() - added;
    if added == MOST_EARLIER && left > 0 {
        warnings.push(format!("{left} earlier runs are not in the lake yet; each run adds up to {MOST_EARLIER}"));
    }
    Ok(warnings)
}

async fn add(
    store: &Store,
    cluster: &str,
    slot: &Slot,
    keys: &KeySet,
    now: DateTime<Utc>,
) -> Result<Vec<String>, String> {
    let proved = baseline::proved(store, cluster, slot, keys, now).await?;
    let (bundle, index) = (proved.id(), proved.commit().index());
    write(store, cluster, &Source { bundle, index, predicate: proved.predicate(), files: proved.files() }).await
}
