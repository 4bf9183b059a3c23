//! The snapshot as files: `data/snapshot/*.parquet`, written and read back.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Component, Image, Manager, NodeRow, Object, Snapshot,
    parquet::{self, Table, TableError, numbers, switches, texts},
};
use crate::{canonical, collect::Coverage, digest::Digest, rbac::Grant, resource::Gvk};

const OBJECTS: &str = "data/snapshot/objects.parquet";
const GRANTS: &str = "data/snapshot/grants.parquet";
const IMAGES: &str = "data/snapshot/images.parquet";
const NODES: &str = "data/snapshot/nodes.parquet";
const COMPONENTS: &str = "data/snapshot/components.parquet";

/// The snapshot's tables by path. The same snapshot gives the same bytes.
///
/// # Errors
/// A table that cannot be written.
pub fn write(snapshot: &Snapshot) -> Result<BTreeMap<String, Vec<u8>>, TableError> {
    let tables = [
        (OBJECTS, objects(&snapshot.objects)?),
        (GRANTS, grants(&snapshot.grants)?),
        (IMAGES, images(&snapshot.images)?),
        (NODES, nodes(&snapshot.nodes)?),
        (COMPONENTS, components(&snapshot.components)?),
    ];
    Ok(tables.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect())
}

/// Reads the tables back; `coverage` says which cluster they are of. Every object is held against its digest.
///
/// # Errors
/// Tables that are missing, too large, damaged, unsorted, or hold other than what they should.
pub fn read(files: &BTreeMap<String, Vec<u8>>, coverage: &Coverage) -> Result<Snapshot, TableError> {
    let table = |path: &'static str| {
        let bytes = files.get(path).ok_or_else(|| TableError::Missing(path.to_owned()))?;
        parquet::read(path, bytes)
    };
    Ok(Snapshot {
        cluster: coverage.cluster.clone(),
        redaction_key: coverage.redaction_key.clone(),
        objects: read_objects(&table(OBJECTS)?)?,
        grants: read_grants(&table(GRANTS)?)?,
        images: read_images(&table(IMAGES)?)?,
        nodes: read_nodes(&table(NODES)?)?,
        components: read_components(&table(COMPONENTS)?)?,
    })
}

/// The table of grants alone.
pub(crate) fn read_grants_of(bytes: &[u8]) -> Result<Vec<Grant>, TableError> {
    read_grants(&parquet::read(GRANTS, bytes)?)
}

/// The table of images alone.
pub(crate) fn read_images_of(bytes: &[u8]) -> Result<Vec<Image>, TableError> {
    read_images(&parquet::read(IMAGES, bytes)?)
}

/// The table of nodes alone.
pub(crate) fn read_nodes_of(bytes: &[u8]) -> Result<Vec<NodeRow>, TableError> {
    read_nodes(&parquet::read(NODES, bytes)?)
}

/// A column of the texts that `get` takes from each row.
fn column<T>(name: &str, rows: &[T], get: impl Fn(&T) -> &str) -> polars::prelude::Column {
    texts(name, rows.iter().map(|row| Some(get(row))))
}

/// A column of texts that may be absent.
fn optional<T>(name: &str, rows: &[T], get: impl Fn(&T) -> Option<&str>) -> polars::prelude::Column {
    texts(name, rows.iter().map(get))
}

fn objects(rows: &[Object]) -> Result<Vec<u8>, TableError> {
    let digests: Vec<String> = rows.iter().map(|o| o.digest.to_string()).collect();
    let managers = rows.iter().enumerate().map(|(row, o)| json_text(OBJECTS, row, &o.managers));
    let managers: Vec<String> = managers.collect::<Result<_, _>>()?;
    parquet::write(
        OBJECTS,
        vec![
            column("group", rows, |o| &o.gvk.group),
            column("version", rows, |o| &o.gvk.version),
            column("kind", rows, |o| &o.gvk.kind),
            column("resource", rows, |o| &o.resource),
            optional("namespace", rows, |o| o.namespace.as_deref()),
            column("name", rows, |o| &o.name),
            optional("uid", rows, |o| o.uid.as_deref()),
            column("digest", &digests, |d| d),
            column("json", rows, |o| &o.json),
            column("managers", &managers, |m| m),
        ],
    )
}

fn read_objects(table: &Table<'_>) -> Result<Vec<Object>, TableError> {
    let (groups, versions, kinds) = (table.texts("group")?, table.texts("version")?, table.texts("kind")?);
    let (resources, namespaces) = (table.texts("resource")?, table.optional("namespace")?);
    let (names, uids, digests) = (table.texts("name")?, table.optional("uid")?, table.texts("digest")?);
    let (jsons, managers) = (table.texts("json")?, table.texts("managers")?);
    let mut objects: Vec<Object> = Vec::with_capacity(names.len());
    for (row, json) in jsons.iter().enumerate() {
        let error = |what: String| TableError::row(OBJECTS, row, what);
        let managers: Vec<Manager> =
            serde_json::from_str(managers[row]).map_err(|e| error(format!("managers: {e}")))?;
        let object = Object {
            gvk: Gvk { group: groups[row].into(), version: versions[row].into(), kind: kinds[row].into() },
            resource: resources[row].into(),
            namespace: namespaces[row].map(str::to_owned),
            name: names[row].into(),
            uid: uids[row].map(str::to_owned),
            json: Arc::from(*json),
            digest: digests[row].parse().map_err(|e| error(format!("digest: {e}")))?,
            managers,
            origin: None,
        };
        let actual = Digest::of(*json);
        if actual != object.digest {
            return Err(TableError::Digest { object: object.reference().to_string(), stored: object.digest, actual });
        }
        let twice = |last: &Object| last.sort_key() == object.sort_key() && last.digest == object.digest;
        if objects.last().is_some_and(|last| last.sort_key() > object.sort_key() || twice(last)) {
            return Err(error(format!("{} is out of order or twice in the table", object.reference())));
        }
        objects.push(object);
    }
    Ok(objects)
}

fn grants(rows: &[Grant]) -> Result<Vec<u8>, TableError> {
    parquet::write(
        GRANTS,
        vec![
            column("subject_kind", rows, |g| &g.subject_kind),
            column("subject_name", rows, |g| &g.subject_name),
            optional("subject_namespace", rows, |g| g.subject_namespace.as_deref()),
            optional("namespace", rows, |g| g.namespace.as_deref()),
            column("verb", rows, |g| &g.verb),
            column("group", rows, |g| &g.group),
            column("resource", rows, |g| &g.resource),
            optional("resource_name", rows, |g| g.resource_name.as_deref()),
            optional("url", rows, |g| g.url.as_deref()),
            column("binding_kind", rows, |g| &g.binding_kind),
            column("binding", rows, |g| &g.binding),
            column("role_kind", rows, |g| &g.role_kind),
            column("role", rows, |g| &g.role),
            numbers("rule", rows.iter().map(|g| g.rule)),
            optional("aggregated_from", rows, |g| g.aggregated_from.as_deref()),
            switches("stock", rows.iter().map(|g| g.stock)),
        ],
    )
}

fn read_grants(table: &Table<'_>) -> Result<Vec<Grant>, TableError> {
    let (kinds, names) = (table.texts("subject_kind")?, table.texts("subject_name")?);
    let (namespaces, places) = (table.optional("subject_namespace")?, table.optional("namespace")?);
    let (verbs, groups, resources) = (table.texts("verb")?, table.texts("group")?, table.texts("resource")?);
    let (resource_names, urls) = (table.optional("resource_name")?, table.optional("url")?);
    let (binding_kinds, bindings) = (table.texts("binding_kind")?, table.texts("binding")?);
    let (role_kinds, roles, rules) = (table.texts("role_kind")?, table.texts("role")?, table.numbers("rule")?);
    let (sources, stock) = (table.optional("aggregated_from")?, table.switches("stock")?);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let row = |i: usize| Grant {
        subject_kind: kinds[i].into(),
        subject_name: names[i].into(),
        subject_namespace: owned(namespaces[i]),
        namespace: owned(places[i]),
        verb: verbs[i].into(),
        group: groups[i].into(),
        resource: resources[i].into(),
        resource_name: owned(resource_names[i]),
        url: owned(urls[i]),
        binding_kind: binding_kinds[i].into(),
        binding: bindings[i].into(),
        role_kind: role_kinds[i].into(),
        role: roles[i].into(),
        rule: rules[i],
        aggregated_from: owned(sources[i]),
        stock: stock[i],
    };
    sorted(GRANTS, (0..names.len()).map(row).collect())
}

fn images(rows: &[Image]) -> Result<Vec<u8>, TableError> {
    parquet::write(
        IMAGES,
        vec![
            column("image", rows, |i| &i.image),
            optional("digest", rows, |i| i.digest.as_deref()),
            column("workload", rows, |i| &i.workload),
            column("container", rows, |i| &i.container),
        ],
    )
}

fn read_images(table: &Table<'_>) -> Result<Vec<Image>, TableError> {
    let (images, digests) = (table.texts("image")?, table.optional("digest")?);
    let (workloads, containers) = (table.texts("workload")?, table.texts("container")?);
    let row = |i: usize| Image {
        image: images[i].into(),
        digest: digests[i].map(str::to_owned),
        workload: workloads[i].into(),
        container: containers[i].into(),
    };
    sorted(IMAGES, (0..images.len()).map(row).collect())
}

fn nodes(rows: &[NodeRow]) -> Result<Vec<u8>, TableError> {
    let roles = rows.iter().enumerate().map(|(row, n)| json_text(NODES, row, &n.roles));
    let roles: Vec<String> = roles.collect::<Result<_, _>>()?;
    parquet::write(
        NODES,
        vec![
            column("name", rows, |n| &n.name),
            column("kubelet", rows, |n| &n.kubelet),
            column("os_image", rows, |n| &n.os_image),
            column("kernel", rows, |n| &n.kernel),
            column("runtime", rows, |n| &n.runtime),
            optional("provider", rows, |n| n.provider.as_deref()),
            column("roles", &roles, |r| r),
        ],
    )
}

fn read_nodes(table: &Table<'_>) -> Result<Vec<NodeRow>, TableError> {
    let (names, kubelets, os_images) = (table.texts("name")?, table.texts("kubelet")?, table.texts("os_image")?);
    let (kernels, runtimes) = (table.texts("kernel")?, table.texts("runtime")?);
    let (providers, roles) = (table.optional("provider")?, table.texts("roles")?);
    let row = |i: usize| {
        let roles = serde_json::from_str(roles[i]).map_err(|e| TableError::row(NODES, i, format!("roles: {e}")))?;
        Ok(NodeRow {
            name: names[i].into(),
            kubelet: kubelets[i].into(),
            os_image: os_images[i].into(),
            kernel: kernels[i].into(),
            runtime: runtimes[i].into(),
            provider: providers[i].map(str::to_owned),
            roles,
        })
    };
    sorted(NODES, (0..names.len()).map(row).collect::<Result<_, _>>()?)
}

fn components(rows: &[Component]) -> Result<Vec<u8>, TableError> {
    parquet::write(
        COMPONENTS,
        vec![
            column("component", rows, |c| &c.component),
            column("instance", rows, |c| &c.instance),
            column("setting", rows, |c| &c.setting),
            column("value", rows, |c| &c.value),
            column("source", rows, |c| &c.source),
        ],
    )
}

fn read_components(table: &Table<'_>) -> Result<Vec<Component>, TableError> {
    let (components, instances) = (table.texts("component")?, table.texts("instance")?);
    let (settings, values, sources) = (table.texts("setting")?, table.texts("value")?, table.texts("source")?);
    let row = |i: usize| Component {
        component: components[i].into(),
        instance: instances[i].into(),
        setting: settings[i].into(),
        value: values[i].into(),
        source: sources[i].into(),
    };
    sorted(COMPONENTS, (0..components.len()).map(row).collect())
}

/// Lists inside a row are canonical JSON texts, which every Parquet reader can show.
fn json_text<T: serde::Serialize>(table: &str, row: usize, value: &T) -> Result<String, TableError> {
    let error = |e: &dyn std::fmt::Display| TableError::row(table, row, e.to_string());
    String::from_utf8(canonical::to_vec(value).map_err(|e| error(&e))?).map_err(|e| error(&e))
}

/// Rows must come sorted and once, as they were written: everything after relies on it.
fn sorted<T: Ord>(table: &str, rows: Vec<T>) -> Result<Vec<T>, TableError> {
    match rows.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(row) => Err(TableError::row(table, row + 1, "out of order or twice in the table")),
        None => Ok(rows),
    }
}
