//! The same inputs, clock and keys give the same bytes, whatever the machine around them looks like.

use std::{collections::BTreeMap, path::Path};

use super::workspace::{Workspace, entries, files};

const SURROUNDINGS: [&[(&str, &str)]; 2] = [
    &[("POLARS_MAX_THREADS", "1"), ("RAYON_NUM_THREADS", "1"), ("TZ", "UTC"), ("LANG", "C")],
    &[("POLARS_MAX_THREADS", "7"), ("RAYON_NUM_THREADS", "5"), ("TZ", "Pacific/Chatham"), ("LANG", "tr_TR.UTF-8")],
];

#[test]
fn two_processes_write_the_same_bundles() {
    let user = Workspace::new();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let written: Vec<BTreeMap<String, Vec<u8>>> = SURROUNDINGS
        .iter()
        .enumerate()
        .map(|(index, surroundings)| {
            let store = user.path(&format!("store-{index}"));
            let mut command = user.kubeproof();
            command.arg("run").arg("--config").arg(examples.join("kubeproof.yaml"));
            for moment in ["shop-2026-10-26", "shop-2026-11-23"] {
                command.arg("--from").arg(examples.join(moment));
            }
            command.arg("--store").arg(&store).envs(surroundings.iter().copied());
            command.env("KUBEPROOF_NOW", "2026-11-23T06:00:00Z");
            super::workspace::Ended::from(command.output().unwrap()).expect(0);
            let clusters = entries(&store.join("clusters"));
            files(&clusters[0].join("bundles"))
        })
        .collect();
    let [one, many] = written.as_slice() else { panic!("two stores") };
    assert!(one.len() > 30, "two bundles hold more than {} files", one.len());
    assert_eq!(one.keys().collect::<Vec<_>>(), many.keys().collect::<Vec<_>>());
    let differing: Vec<&String> = one.keys().filter(|name| one[*name] != many[*name]).collect();
    assert!(differing.is_empty(), "these differ: {differing:?}");
}
