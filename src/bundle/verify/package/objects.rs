//! The objects that a package cites, by their digests.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    super::{StepName, Verdict, steps::Steps},
    Files,
};
use crate::{
    bundle::package::PERIOD,
    digest::Digest,
    period::{
        evidence::table_path,
        model::{Cited, ClusterPeriod},
    },
    snapshot,
};

/// Every cited object is here as text with that digest, and nothing else is.
pub(super) fn judge(files: &Files, cluster: &ClusterPeriod, is_whole: bool, steps: &mut Steps) {
    let path = table_path(&cluster.folder);
    let Some(bytes) = files.get(&path) else { return };
    if is_whole && !cluster.withheld.is_empty() {
        let detail = "leaves out texts, and the package is neither of a scope nor with pseudonyms";
        steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
    }
    let mut cited: BTreeMap<Digest, u32> = BTreeMap::new();
    for citation in citations(cluster) {
        if *cited.entry(citation.digest).or_insert(citation.run) != citation.run {
            let detail = format!("cites {} of two runs", citation.digest.short(16));
            steps.fail(StepName::Content, Verdict::Tampered, PERIOD, detail);
        }
    }
    match stored(bytes, &path, is_whole) {
        Err(error) => steps.fail(StepName::Content, Verdict::Tampered, &path, error),
        Ok((_, withheld)) if withheld != cluster.withheld => {
            let detail = "leaves out other texts than the package says";
            steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
        }
        Ok((rows, _)) if rows != cited => {
            let missing = cited.keys().find(|digest| !rows.contains_key(*digest));
            let detail = missing.map_or_else(
                || "holds other objects than the package cites".to_owned(),
                |digest| format!("does not hold {}, which the package cites", digest.short(16)),
            );
            steps.fail(StepName::Content, Verdict::Tampered, &path, detail);
        }
        Ok(_) => {}
    }
}

fn citations(cluster: &ClusterPeriod) -> impl Iterator<Item = &Cited> {
    let powers = cluster.privileged.iter().flat_map(|subject| &subject.powers);
    let powers = powers.flat_map(|power| power.evidence.iter().chain(&power.evidence_after));
    let exceptions = cluster.exceptions.iter().flat_map(|x| x.evidence.iter().chain(&x.evidence_after));
    exceptions.chain(cluster.population.iter().flat_map(|item| &item.evidence)).chain(powers).chain(&cluster.trails)
}

type Stored = (BTreeMap<Digest, u32>, BTreeSet<Digest>);

/// The part of an object that its columns repeat.
#[derive(Deserialize)]
struct Named {
    kind: String,
    metadata: Name,
}

#[derive(Deserialize)]
struct Name {
    namespace: Option<String>,
    name: String,
}

/// Runs by the digest of each object, every text held against its digest and, where names are as they were, against the
/// columns beside it; and the objects without their text.
fn stored(bytes: &[u8], path: &str, is_whole: bool) -> Result<Stored, String> {
    let columns = ["digest", "json", "run", "kind", "namespace", "name"];
    let table = snapshot::read_columns(path, bytes, &columns).map_err(in_words)?;
    let (digests, jsons) = (table.texts("digest").map_err(in_words)?, table.optional("json").map_err(in_words)?);
    let (runs, kinds) = (table.numbers("run").map_err(in_words)?, table.texts("kind").map_err(in_words)?);
    let namespaces = table.optional("namespace").map_err(in_words)?;
    let names = table.texts("name").map_err(in_words)?;
    let (mut rows, mut withheld) = (BTreeMap::new(), BTreeSet::new());
    for (at, (digest, json)) in digests.into_iter().zip(jsons).enumerate() {
        let stated: Digest = digest.parse().map_err(|error| format!("{error}"))?;
        match json {
            None => drop(withheld.insert(stated)),
            Some(json) if Digest::of(json) == stated => {
                let is_it = |own: Named| {
                    (own.kind.as_str(), own.metadata.namespace.as_deref(), own.metadata.name.as_str())
                        == (kinds[at], namespaces[at], names[at])
                };
                if is_whole && !serde_json::from_str(json).is_ok_and(is_it) {
                    return Err(format!("an object is not called as its text {} says", stated.short(16)));
                }
            }
            Some(_) => return Err(format!("an object does not have its digest {}", stated.short(16))),
        }
        if rows.insert(stated, runs[at]).is_some() {
            return Err(format!("an object stands twice: {}", stated.short(16)));
        }
    }
    Ok((rows, withheld))
}

fn in_words(error: snapshot::TableError) -> String {
    error.to_string()
}
