//! `lake/`: tables for query engines beside the evidence, laid out as Hive lays out partitions.
//!
//! `lake/<table>/cluster=<folder>/date=<day>/<log index>-<bundle>.parquet`: one folder a table, so that whatever reads it
//! finds one schema. Nothing in a store reads them back; whoever can write here can change what queries say, and not
//! what the bundles say.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::NaiveDate;
use object_store::path::Path;

use super::{Patience, Store, StoreError, create::Created};
use crate::digest::Digest;

const SUFFIX: &str = ".parquet";

/// Where the tables of one run lie, below the folder of each table.
#[derive(Debug, Clone, Copy)]
pub struct LakePlace<'a> {
    /// The cluster's folder.
    pub cluster: &'a str,
    /// Day on which the collection ended, in UTC.
    pub date: NaiveDate,
    /// Index of the bundle's entry in the log.
    pub index: u64,
    /// The bundle's id.
    pub bundle: Digest,
}

impl LakePlace<'_> {
    fn file(&self) -> String {
        format!("{:010}-{}{SUFFIX}", self.index, self.bundle.short(12))
    }
}

impl Store {
    /// Writes one table of a run, unless it is there; false when other bytes are in its place, which stay.
    ///
    /// # Errors
    /// A store that refuses, is full, or leaves the outcome open beyond `patience`.
    pub async fn put_lake(
        &self,
        table: &str,
        place: &LakePlace<'_>,
        bytes: Vec<u8>,
        patience: Patience,
    ) -> Result<bool, StoreError> {
        let day = format!("date={}", place.date.format("%Y-%m-%d"));
        let path = self.lake(table, place.cluster)?.join(day).join(place.file());
        Ok(self.create(&path, &Bytes::from(bytes), patience).await? == Created::Ours)
    }

    /// Log indexes of the runs that have a file of this table.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub async fn lake_indexes(&self, table: &str, cluster: &str) -> Result<BTreeSet<u64>, StoreError> {
        let listed = self.list_below(&self.lake(table, cluster)?).await?;
        Ok(listed.keys().filter_map(|name| index(name)).collect())
    }

    /// Hive escapes what a folder of a cluster cannot have, so that its name is the value.
    fn lake(&self, table: &str, cluster: &str) -> Result<Path, StoreError> {
        self.cluster(cluster)?;
        Ok(self.root.clone().join("lake").join(table).join(format!("cluster={cluster}")))
    }
}

/// The log index that the name of a file below a cluster's folder begins with.
fn index(name: &str) -> Option<u64> {
    let (_, file) = name.rsplit_once('/')?;
    let (index, bundle) = file.strip_suffix(SUFFIX)?.split_once('-')?;
    let is_name = index.len() == 10 && bundle.len() == 12 && bundle.bytes().all(|b| b.is_ascii_hexdigit());
    is_name.then(|| index.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_run_gives_count() {
        for (name, expected) in [
            ("date=2026-11-26/0000000012-0a1b2c3d4e5f.parquet", Some(12)),
            ("date=2026-11-26/0000000012-0a1b2c3d4e5f.parquet#1", None),
            ("date=2026-11-26/12-0a1b2c3d4e5f.parquet", None),
            ("date=2026-11-26/part-00000.parquet", None),
            ("_SUCCESS", None),
        ] {
            assert_eq!(index(name), expected, "{name}");
        }
    }

    #[test]
    fn no_name_of_a_cluster_needs_hives_escapes() {
        let escaped = |c: char| c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c);
        let allowed: String =
            (0..128_u8).map(char::from).filter(|c| super::super::is_cluster(&format!("a{c}"))).collect();
        assert_eq!(allowed, "-.0123456789_abcdefghijklmnopqrstuvwxyz");
        assert!(!allowed.chars().any(escaped));
    }
}
