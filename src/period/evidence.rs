//! What an auditor walks from a line of the package to a signed byte: proofs of the runs, and the objects cited.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;

use super::{
    carried::cluster_folder,
    facts::{Files, OBJECTS, Proof},
    model::{Cited, ClusterPeriod, Ending, Run, RunNumber, WrittenBy},
    veil::Veil,
    writers::{self, Logged},
};
use crate::{
    bundle::bag,
    digest::Digest,
    snapshot::{self, AUDIT_TRAIL, Manager, TableError, numbers, texts},
    store::{Store, StoreError},
};

/// Tables of objects in memory at once.
const TABLES: usize = 2;
/// Managers of an object that names none.
const NOBODY: &str = "[]";
/// Name of the table of cited objects of one cluster.
pub const CITED: &str = "objects.parquet";
/// Name of the table of field managers of one cluster.
pub const MANAGERS: &str = "managers.parquet";
/// Names of a run's proof in the package.
pub(crate) const PROOF: [&str; 3] = [bag::MANIFEST, "bundle.dsse.json", "commit.tlog-proof"];

/// Why evidence could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table cannot be read or written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Other bytes than those that were verified a moment ago.
    #[error("bundle {bundle}: {OBJECTS} changed in the store while the package was made")]
    Changed {
        /// The bundle.
        bundle: Digest,
    },
    /// A thread ended early.
    #[error("bundle {bundle}: reading {OBJECTS} ended in a panic")]
    Panic {
        /// The bundle.
        bundle: Digest,
    },
}

/// One cited object, as the bundle's table holds it.
struct Row {
    digest: Digest,
    group: String,
    version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
    uid: Option<String>,
    /// `None` where it names what must not be read.
    json: Option<String>,
    managers: String,
    run: RunNumber,
}

/// An object on a run that shows what its field managers may explain: the same bytes on another run may name others.
pub type Noting = (Digest, RunNumber);

impl Row {
    fn cite(&self) -> Cited {
        let Self { kind, namespace, name, digest, run, .. } = self;
        let place = namespace.iter().chain([name]).fold(kind.clone(), |place, part| format!("{place}/{part}"));
        Cited { resource: place, digest: *digest, run: *run }
    }
}

/// Folder of one run's proof in the package.
pub(crate) fn proof_folder(cluster: &str, run: RunNumber) -> String {
    format!("{}runs/{run:04}/", cluster_folder(cluster))
}

/// Table of one cluster's cited objects in the package.
pub(crate) fn table_path(cluster: &str) -> String {
    format!("{}{CITED}", cluster_folder(cluster))
}

/// Table of who the objects of one cluster name as having written, in the package.
pub(crate) fn managers_path(cluster: &str) -> String {
    format!("{}{MANAGERS}", cluster_folder(cluster))
}

/// Gathers the evidence of one cluster, by package path. Citations afterwards name one run for each object, and
/// exceptions and powers know who wrote to their objects. A bundle's table is read again only for what is cited of it.
///
/// # Errors
/// The store does not answer, or holds other bytes than before.
pub(super) async fn gather(
    store: &Store,
    cluster: &mut ClusterPeriod,
    proofs: Vec<Proof>,
    mut logged: Vec<Logged>,
    veil: &Veil<'_>,
) -> Result<Files, EvidenceError> {
    let moments = moments(cluster);
    let mut cited = one_run_each(cluster);
    // Whom the logs name follows from them alone, and says which trails are needed.
    writers::attribute(cluster, &|_, _| Vec::new(), &logged);
    let trails = writers::trails(cluster, &logged);
    for (digest, run) in &trails {
        cited.entry(*run).or_default().insert(*digest);
    }
    let mut both = moments.clone();
    cited.iter().for_each(|(run, digests)| both.entry(*run).or_default().extend(digests));
    let wanted: Vec<Wanted> = both
        .into_iter()
        .filter_map(|(run, digests)| {
            let at = usize::try_from(run).ok()?;
            Some(Wanted { run, digests, bundle: cluster.runs.get(at)?.bundle, table: proofs.get(at)?.objects })
        })
        .collect();
    let is_in = |of: &BTreeMap<RunNumber, BTreeSet<Digest>>, row: &Row| {
        of.get(&row.run).is_some_and(|digests| digests.contains(&row.digest))
    };
    let read = wanted.into_iter().map(|wanted| wanted.read(store, &cluster.folder));
    let mut read = stream::iter(read).buffered(TABLES);
    let (mut rows, mut noted) = (BTreeMap::<Digest, Row>::new(), BTreeMap::<Noting, String>::new());
    while let Some(of_run) = read.try_next().await? {
        for row in of_run {
            if row.managers != NOBODY && is_in(&moments, &row) {
                noted.insert((row.digest, row.run), row.managers.clone());
            }
            if is_in(&cited, &row) {
                rows.insert(row.digest, row);
            }
        }
    }
    drop(read);
    for_each_citation(cluster, &mut |citations| citations.retain(|cited| rows.contains_key(&cited.digest)));
    cluster.trails = trails.keys().filter_map(|digest| Some(rows.get(digest)?.cite())).collect();
    // A name without the bytes that say it would be our word alone.
    writers::keep_trails(&mut logged, &cluster.trails.iter().map(|cited| cited.digest).collect());
    writers::attribute(cluster, &|digest, run| noted.get(&(digest, run)).map(named).unwrap_or_default(), &logged);
    for power in cluster.privileged.iter_mut().flat_map(|subject| &mut subject.powers) {
        power.created = power.evidence.first().and_then(|cited| created(rows.get(&cited.digest)?));
    }
    let mut files = Files::new();
    let mut rows: Vec<Row> = rows.into_values().collect();
    let withheld: BTreeMap<Digest, Digest> = rows.iter_mut().filter_map(|row| cover(row, veil)).collect();
    rows.sort_by_key(|row| row.digest);
    mask(cluster, &withheld);
    let noted = noted.into_iter().map(|((digest, run), text)| ((masked(&withheld, digest), run), text)).collect();
    files.insert(table_path(&cluster.folder), write(&rows, &cluster.runs)?);
    files.insert(managers_path(&cluster.folder), write_noted(&noted, &cluster.runs, veil)?);
    for (run, proof) in cluster.runs.iter().zip(proofs) {
        let folder = proof_folder(&cluster.folder, run.number);
        let parts = PROOF.into_iter().zip([proof.manifest, proof.envelope, proof.commit]);
        files.extend(parts.map(|(name, bytes)| (format!("{folder}{name}"), bytes)));
    }
    Ok(files)
}

/// Every list of citations of a cluster.
fn for_each_citation(cluster: &mut ClusterPeriod, act: &mut dyn FnMut(&mut Vec<Cited>)) {
    for exception in &mut cluster.exceptions {
        act(&mut exception.evidence);
        act(&mut exception.evidence_after);
    }
    cluster.population.iter_mut().for_each(|item| act(&mut item.evidence));
    for power in cluster.privileged.iter_mut().flat_map(|subject| &mut subject.powers) {
        act(&mut power.evidence);
        act(&mut power.evidence_after);
    }
}

/// Objects by the run of which they are read: the earliest that is cited with them.
fn one_run_each(cluster: &mut ClusterPeriod) -> BTreeMap<RunNumber, BTreeSet<Digest>> {
    let mut first: BTreeMap<Digest, RunNumber> = BTreeMap::new();
    for_each_citation(cluster, &mut |citations| {
        for cited in citations {
            let run = first.entry(cited.digest).or_insert(cited.run);
            *run = cited.run.min(*run);
        }
    });
    for_each_citation(cluster, &mut |citations| {
        for cited in citations {
            cited.run = first.get(&cited.digest).copied().unwrap_or(cited.run);
        }
    });
    let mut by_run: BTreeMap<RunNumber, BTreeSet<Digest>> = BTreeMap::new();
    for (digest, run) in first {
        by_run.entry(run).or_default().insert(digest);
    }
    by_run
}

/// What is read of one bundle's table of objects.
struct Wanted {
    run: RunNumber,
    digests: BTreeSet<Digest>,
    bundle: Digest,
    /// Digest of the table, by the manifest.
    table: Digest,
}

impl Wanted {
    async fn read(self, store: &Store, folder: &str) -> Result<Vec<Row>, EvidenceError> {
        let Self { run, digests, bundle, table } = self;
        let bytes = store.bundle_file(folder, &bundle, OBJECTS).await?.ok_or(EvidenceError::Changed { bundle })?;
        let read = tokio::task::spawn_blocking(move || match Digest::of(&bytes) == table {
            true => Ok(cited_rows(&bytes, &digests, run)?),
            false => Err(EvidenceError::Changed { bundle }),
        });
        read.await.map_err(|_| EvidenceError::Panic { bundle })?
    }
}

/// Objects whose field managers are asked for, by the run that saw what they may explain.
pub(crate) fn moments(cluster: &ClusterPeriod) -> BTreeMap<RunNumber, BTreeSet<Digest>> {
    let mut moments: BTreeMap<RunNumber, BTreeSet<Digest>> = BTreeMap::new();
    let mut ask = |run: RunNumber, all: &[Cited]| {
        moments.entry(run).or_default().extend(all.iter().map(|cited| cited.digest));
    };
    for exception in &cluster.exceptions {
        ask(exception.began.by, &exception.evidence);
        if let Ending::Ended { bounds, .. } = &exception.ending {
            ask(bounds.by, &exception.evidence_after);
        }
    }
    for power in cluster.privileged.iter().flat_map(|subject| &subject.powers) {
        ask(power.gained.map_or(power.first, |gained| gained.by), &power.evidence);
        if let Some(lost) = power.lost {
            ask(lost.by, &power.evidence_after);
        }
    }
    moments
}

fn cited_rows(bytes: &[u8], digests: &BTreeSet<Digest>, run: RunNumber) -> Result<Vec<Row>, TableError> {
    let columns = ["group", "version", "kind", "namespace", "name", "uid", "digest", "json", "managers"];
    let table = snapshot::read_columns(OBJECTS, bytes, &columns)?;
    let (groups, versions, kinds) = (table.texts("group")?, table.texts("version")?, table.texts("kind")?);
    let (namespaces, names, uids) = (table.optional("namespace")?, table.texts("name")?, table.optional("uid")?);
    let (stored, jsons, managers) = (table.texts("digest")?, table.texts("json")?, table.texts("managers")?);
    let mut rows = Vec::new();
    for row in 0..table.rows() {
        let Some(digest) = stored[row].parse().ok().filter(|digest| digests.contains(digest)) else { continue };
        let actual = Digest::of(jsons[row]);
        if actual != digest {
            let object = format!("{}/{}", kinds[row], names[row]);
            return Err(TableError::Digest { object, stored: digest, actual });
        }
        rows.push(Row {
            digest,
            group: groups[row].into(),
            version: versions[row].into(),
            kind: kinds[row].into(),
            namespace: namespaces[row].map(Into::into),
            name: names[row].into(),
            uid: uids[row].map(Into::into),
            json: Some(jsons[row].into()),
            managers: managers[row].into(),
            run,
        });
    }
    Ok(rows)
}

/// A cited object, as a package holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    /// Its digest.
    pub digest: Digest,
    /// The text with that digest; `None` where the package leaves it out.
    pub json: Option<String>,
}

/// The objects of a table that are wanted by their digest.
pub(crate) fn stored_objects(table: &[u8], wanted: impl Fn(&Digest) -> bool) -> Result<Vec<StoredObject>, TableError> {
    let table = snapshot::read_columns(CITED, table, &["digest", "json"])?;
    let rows = table.texts("digest")?.into_iter().zip(table.optional("json")?);
    let objects = rows.filter_map(|(digest, json)| {
        let digest: Digest = digest.parse().ok()?;
        wanted(&digest).then(|| StoredObject { digest, json: json.map(str::to_owned) })
    });
    Ok(objects.collect())
}

/// What stands for a digest in the package.
fn masked(withheld: &BTreeMap<Digest, Digest>, digest: Digest) -> Digest {
    withheld.get(&digest).copied().unwrap_or(digest)
}

/// Writes what stands for the digests of texts that are left out wherever they are named.
fn mask(cluster: &mut ClusterPeriod, withheld: &BTreeMap<Digest, Digest>) {
    for_each_citation(cluster, &mut |cites| {
        cites.iter_mut().for_each(|cited| cited.digest = masked(withheld, cited.digest));
    });
    writers::for_each(cluster, &mut |by| {
        if let WrittenBy::AuditLog { trail, .. } = by {
            *trail = masked(withheld, *trail);
        }
    });
    cluster.trails.iter_mut().for_each(|cited| cited.digest = masked(withheld, cited.digest));
    cluster.trails.sort_by_key(|cited| cited.digest);
    cluster.withheld = withheld.values().copied().collect();
}

/// Takes names out of a row. A text that holds one goes as a whole, since no part of it has the digest: then the digest
/// is returned, with what stands for it.
fn cover(row: &mut Row, veil: &Veil<'_>) -> Option<(Digest, Digest)> {
    let is_hidden_trail = row.kind == AUDIT_TRAIL && veil.hides_trail(row.namespace.as_deref());
    row.namespace.iter_mut().chain([&mut row.name]).for_each(|text| veil.text(text));
    row.json.take_if(|text| is_hidden_trail || veil.hides(text))?;
    let digest = row.digest;
    row.digest = veil.digest(digest);
    Some((digest, row.digest))
}

/// The part of an object that says when it was made.
#[derive(Deserialize)]
struct Made {
    metadata: MadeAt,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MadeAt {
    creation_timestamp: Option<DateTime<Utc>>,
}

/// When an object was made, as it says itself.
fn created(row: &Row) -> Option<DateTime<Utc>> {
    serde_json::from_str::<Made>(row.json.as_deref()?).ok()?.metadata.creation_timestamp
}

/// The distinct objects, by digest: stored text (null where it is left out), and the bundle whose table holds it.
fn write(rows: &[Row], runs: &[Run]) -> Result<Vec<u8>, TableError> {
    snapshot::write_rows(CITED, rows, |rows| {
        let digests: Vec<String> = rows.iter().map(|row| row.digest.to_string()).collect();
        let bundles: Vec<Option<String>> = rows.iter().map(|row| bundle(runs, row.run)).collect();
        vec![
            texts("digest", digests.iter().map(|digest| Some(digest.as_str()))),
            texts("group", rows.iter().map(|row| Some(row.group.as_str()))),
            texts("version", rows.iter().map(|row| Some(row.version.as_str()))),
            texts("kind", rows.iter().map(|row| Some(row.kind.as_str()))),
            texts("namespace", rows.iter().map(|row| row.namespace.as_deref())),
            texts("name", rows.iter().map(|row| Some(row.name.as_str()))),
            texts("uid", rows.iter().map(|row| row.uid.as_deref())),
            texts("json", rows.iter().map(|row| row.json.as_deref())),
            numbers("run", rows.iter().map(|row| row.run)),
            texts("bundle", bundles.iter().map(Option::as_deref)),
        ]
    })
}

/// Field managers as the tables of the runs hold them, by object and run: null where they name what must not be read.
fn write_noted(noted: &BTreeMap<Noting, String>, runs: &[Run], veil: &Veil<'_>) -> Result<Vec<u8>, TableError> {
    let rows: Vec<(&Noting, &String)> = noted.iter().collect();
    snapshot::write_rows(MANAGERS, &rows, |rows| {
        let digests: Vec<String> = rows.iter().map(|((digest, _), _)| digest.to_string()).collect();
        let bundles: Vec<Option<String>> = rows.iter().map(|((_, run), _)| bundle(runs, *run)).collect();
        let shown = rows.iter().map(|(_, text)| Some(text.as_str()).filter(|text| !veil.hides(text)));
        vec![
            texts("digest", digests.iter().map(|digest| Some(digest.as_str()))),
            numbers("run", rows.iter().map(|((_, run), _)| *run)),
            texts("managers", shown),
            texts("bundle", bundles.iter().map(Option::as_deref)),
        ]
    })
}

fn bundle(runs: &[Run], run: RunNumber) -> Option<String> {
    Some(runs.get(usize::try_from(run).ok()?)?.bundle.hex())
}

/// Field managers of objects on runs, as JSON; `None` where they are left out.
pub type NotedManagers = BTreeMap<Noting, Option<String>>;

/// Those of a table of [`MANAGERS`].
pub(crate) fn noted_managers(table: &[u8]) -> Result<NotedManagers, TableError> {
    let table = snapshot::read_columns(MANAGERS, table, &["digest", "run", "managers"])?;
    let (digests, runs, texts) = (table.texts("digest")?, table.numbers("run")?, table.optional("managers")?);
    let row = |(row, ((digest, run), text)): (usize, ((&str, RunNumber), Option<&str>))| {
        let digest = digest.parse().map_err(|error| TableError::row(MANAGERS, row, format!("{error}")))?;
        Ok(((digest, run), text.map(str::to_owned)))
    };
    let rows = digests.len();
    let noted: NotedManagers =
        digests.into_iter().zip(runs).zip(texts).enumerate().map(row).collect::<Result<_, TableError>>()?;
    match noted.len() == rows {
        true => Ok(noted),
        false => Err(TableError::row(MANAGERS, rows, "an object stands twice for one run".to_owned())),
    }
}

/// The managers that a text of them names.
pub(crate) fn named(text: impl AsRef<str>) -> Vec<Manager> {
    serde_json::from_str(text.as_ref()).unwrap_or_default()
}
