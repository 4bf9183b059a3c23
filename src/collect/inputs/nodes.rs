//! `nodes/`: reports that `kubeproof node --out` wrote, one JSON file each.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{Context, InputError, Read};
use crate::collect::{
    Collected,
    node::{self, Candidate},
};

/// The greatest file that is read.
const MAX_BYTES: u64 = 2 << 20;
/// Files of one folder.
const MAX_FILES: usize = 20_000;

/// Reads every `*.json` file of a folder. These take the place of reports in the cluster.
pub fn read(folder: &Path, context: &Context<'_>) -> Read {
    let read = match files(folder) {
        Ok(files) => files.iter().map(|file| candidate(file, context)).collect(),
        Err(error) => vec![Err(fail(folder, format!("cannot be read: {error}")))],
    };
    node::accept(read, context.nodes, context.now, &folder.display().to_string())
}

/// The nodes of the cluster; `None` where their list was not seen.
pub fn known(collected: &Collected) -> Option<BTreeSet<String>> {
    let seen = collected.coverage.list("nodes").is_some_and(|list| list.outcome.is_known());
    let nodes = collected.objects.iter().filter(|object| object.resource == "nodes");
    seen.then(|| nodes.map(|object| object.name.clone()).collect())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()?.take(MAX_FILES) {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn candidate(file: &Path, context: &Context<'_>) -> Result<Candidate, InputError> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(file)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let bytes = read().map_err(|error| fail(file, format!("cannot be read: {error}")))?;
    Candidate::read(&bytes, &file.display().to_string(), context.sealer)
}

fn fail(file: &Path, message: String) -> InputError {
    InputError { file: file.display().to_string(), line: None, message }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeZone, Utc};
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        collect::{ClusterIdentity, ListOutcome, inputs, manifests},
        snapshot::{Sealer, Tokens},
    };

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 23, 6, 0, 0).unwrap()
    }

    fn collected(nodes: &[&str]) -> Collected {
        let options = manifests::Options { name: None, uid: None, kubernetes: None, key: None, now: now() };
        let list = nodes
            .iter()
            .map(|name| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}).to_string());
        let text = list.collect::<Vec<_>>().join("\n---\n");
        let mut collected = manifests::collect(&[manifests::Input::Stdin("-".into(), text.into())], &options);
        let record = collected.coverage.lists.iter_mut().find(|list| list.resource == "nodes").unwrap();
        record.outcome = if nodes.is_empty() { ListOutcome::NotInSource } else { ListOutcome::Seen };
        collected
    }

    fn report(name: &str, more: Value) -> String {
        json!({"schema": node::SCHEMA, "name": name, "readAt": "2026-11-23T05:00:00Z", "controlPlane": true, "bootId": more})
            .to_string()
    }

    fn add(collected: &mut Collected, files: &[(&str, &str)]) {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("nodes")).unwrap();
        for (name, text) in files {
            std::fs::write(root.path().join("nodes").join(name), text).unwrap();
        }
        inputs::add(collected, root.path(), &Sealer::new(None, "", Tokens::Foreign), now());
    }

    fn reports(collected: &Collected) -> Vec<String> {
        let objects = collected.objects.iter().filter(|object| object.resource == "nodereports.kubeproof.dev");
        objects.map(|object| format!("{} {}", object.name, object.value()["spec"]["bootId"])).collect()
    }

    #[test]
    fn good_files_count_and_others_are_sentences() {
        let mut collected = collected(&["n1", "n2"]);
        let good = report("n1", json!("a"));
        add(
            &mut collected,
            &[("n1.json", &good), ("broken.json", "{"), ("other.json", &report("n9", json!("a"))), ("README", "x")],
        );
        assert_eq!(reports(&collected), ["n1 \"a\""]);
        assert_eq!(collected.errors.len(), 2);
        let record = collected.coverage.list("nodereports.kubeproof.dev").unwrap();
        let reason = "1 of 2 nodes have no report that counts: n2";
        assert_eq!(record.outcome, ListOutcome::Failed { reason: reason.into() });
    }

    #[test]
    fn files_take_the_place_of_what_the_cluster_held() {
        let mut collected = collected(&["n1"]);
        collected.coverage.excluded.push(node::none_found());
        for more in ["a", "b"] {
            add(&mut collected, &[("n1.json", &report("n1", json!(more)))]);
            assert_eq!(reports(&collected), [format!("n1 \"{more}\"")]);
        }
        let record = collected.coverage.list("nodereports.kubeproof.dev").unwrap();
        assert_eq!((&record.outcome, record.count), (&ListOutcome::Seen, 1));
        assert_eq!(collected.coverage.excluded, []);
    }

    #[test]
    fn where_nobody_knows_the_nodes_reports_are_taken_as_they_are() {
        let mut collected = collected(&[]);
        add(&mut collected, &[("n1.json", &report("n1", json!("a")))]);
        assert_eq!(reports(&collected).len(), 1);
        assert_eq!(collected.coverage.list("nodereports.kubeproof.dev").unwrap().outcome, ListOutcome::Seen);
        assert_eq!(
            collected.coverage.cluster,
            ClusterIdentity { name: collected.coverage.cluster.name.clone(), ..Default::default() }
        );
    }
}
