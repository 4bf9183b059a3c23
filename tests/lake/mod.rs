//! The lake as others read it: DuckDB and Spark count in it what the bundles hold.

mod repair;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use kubeproof::digest::Digest;
use serde_json::Value;

use crate::{
    harness::{judges, minio},
    live::workspace::{Ended, Workspace, entries, files, json},
};

const MOMENTS: [&str; 2] = ["shop-2026-10-26", "shop-2026-11-23"];
const COUNTS: &str = include_str!("counts.sql");
const BARE_POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: bare, namespace: shop}\nspec: {containers: \
                        [{name: app, image: 'app:1'}]}\n";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The example's first or second recording, into a store.
fn record(user: &Workspace, moment: usize, store: &str, env: &[(String, String)]) -> Ended {
    let mut command = user.kubeproof();
    command.arg("run").arg("--config").arg(examples().join("kubeproof.yaml"));
    command.arg("--from").arg(examples().join(MOMENTS[moment]));
    command.args(["--store", store, "--keys", "keys"]).envs(env.iter().cloned());
    command.output().unwrap().into()
}

/// A user with keys.
fn user() -> Workspace {
    let user = Workspace::new();
    user.run(&["keys", "generate", "--out", "keys"]).expect(0);
    user
}

/// What [`COUNTS`] must say of the bundles of a store, from the files that people read, and by DuckDB from its tables.
fn expected(store: &Path) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for cluster in entries(&store.join("clusters")) {
        let mut bundles = entries(&cluster.join("bundles"));
        let finished =
            |bundle: &PathBuf| json(&bundle.join("data/coverage.json"))["finished"].as_str().unwrap().to_owned();
        bundles.sort_by_key(finished);
        for (index, bundle) in bundles.iter().enumerate() {
            let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
            let (finished, bundle_name) = (finished(bundle), name(bundle));
            let about = format!("{} {} {bundle_name}", name(&cluster), &finished[..10]);
            let mut add = |what: String, n: i64| *counts.entry(what).or_insert(0) += n;
            add(format!("run {about} {}", root(bundle)), index as i64);
            add(
                format!("clock {bundle_name}"),
                finished[8..10].parse::<i64>().unwrap() * 100 + finished[11..13].parse::<i64>().unwrap(),
            );
            let rows = findings(bundle, &about, &mut add)
                + requirements(bundle, &about, &mut add)
                + drift(bundle, &about, &mut add);
            add(format!("told {bundle_name}"), rows);
            tables(bundle, &bundle_name, &mut add);
        }
    }
    counts
}

/// The evidence root, as an auditor computes it.
fn root(bundle: &Path) -> String {
    let manifest = fs::read_to_string(bundle.join("manifest-sha256.txt")).unwrap();
    let lines: String = manifest.lines().filter(|l| !l.contains("  data/report/")).map(|l| format!("{l}\n")).collect();
    Digest::of(lines).hex()
}

fn findings(bundle: &Path, about: &str, add: &mut impl FnMut(String, i64)) -> i64 {
    let mut reader = csv::Reader::from_path(bundle.join("data/findings.csv")).unwrap();
    let mut rows = 0;
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        add(format!("findings {about} {}", row["outcome"]), 1);
        add(format!("messages {about}"), row["message"].chars().count() as i64);
        add(format!("owned {about}"), i64::from(!row["owner"].is_empty()));
        rows += 1;
    }
    rows
}

fn requirements(bundle: &Path, about: &str, add: &mut impl FnMut(String, i64)) -> i64 {
    let evaluation = json(&bundle.join("data/evaluation.json"));
    let requirements = evaluation["requirements"].as_array().unwrap();
    for row in requirements {
        let word = |key: &str| row[key].as_str().unwrap().to_owned();
        add(format!("requirements {about} {} {}", word("framework"), word("status")), 1);
        add(format!("failures {about}"), row["failures"].as_i64().unwrap());
    }
    requirements.len() as i64
}

fn drift(bundle: &Path, about: &str, add: &mut impl FnMut(String, i64)) -> i64 {
    let drift = json(&bundle.join("data/drift.json"));
    let parts = ["objects", "permissions", "findings", "rules", "sight"];
    let counts = parts.map(|part| (part, drift[part].as_array().unwrap().len() as i64));
    counts.iter().filter(|(_, n)| *n > 0).for_each(|(part, n)| add(format!("drift {about} {part}"), *n));
    counts.iter().map(|(_, n)| n).sum()
}

fn tables(bundle: &Path, name: &str, add: &mut impl FnMut(String, i64)) {
    const PROGRAM: &str = "import duckdb, sys\nfor q in sys.argv[1:]: print(duckdb.sql(q).fetchone()[0] or 0)";
    let asked = [
        ("objects", "count(DISTINCT digest)", "objects", "true"),
        ("grants", "count(*)", "grants", "NOT stock"),
        ("rules", "sum(rule)", "grants", "true"),
        ("images", "count(*)", "images", "true"),
        ("nodes", "count(*)", "nodes", "true"),
    ];
    let folder = bundle.join("data/snapshot");
    let query = |(_, what, table, only): &(&str, &str, &str, &str)| {
        PathBuf::from(format!("SELECT {what} FROM '{}/{table}.parquet' WHERE {only}", folder.display()))
    };
    let queries: Vec<PathBuf> = asked.iter().map(query).collect();
    let said = judges::python(PROGRAM, &queries.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    for ((what, ..), n) in asked.iter().zip(said.lines()) {
        let n: i64 = n.parse().unwrap();
        // A table without rows has no group.
        if n > 0 {
            add(format!("{what} {name}"), n);
        }
    }
}

/// The answers to queries, each a list of rows.
fn answers(said: &str) -> Vec<Vec<Vec<Value>>> {
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Answers of [`COUNTS`].
fn counts(rows: &[Vec<Value>]) -> BTreeMap<String, i64> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let row =
        |row: &Vec<Value>| (row[0].as_str().unwrap().to_owned(), number(&row[1]).unwrap_or_else(|| panic!("{row:?}")));
    rows.iter().map(row).filter(|(_, n)| *n != 0).collect()
}

/// The queries that the README shows for every engine.
fn of_the_readme() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let queries: Vec<String> = blocks
        .flat_map(|b| b.split(';'))
        .map(str::trim)
        .filter(|q| q.starts_with("SELECT"))
        .map(str::to_owned)
        .collect();
    assert!(queries.len() >= 2, "the README shows queries: {queries:?}");
    queries
}

#[test]
fn spark_and_duckdb_count_what_the_bundles_hold() {
    let user = user();
    record(&user, 0, "evidence", &[]).expect(0);
    record(&user, 1, "evidence", &[]).expect(0);
    // Another cluster, without nodes and without anything to compare with: its tables have no rows.
    user.write("staging/pod.yaml", BARE_POD);
    user.write("staging.yaml", "apiVersion: kubeproof.dev/v1\ncluster: {name: staging}\nlake: true\n");
    user.run(&["run", "--config", "staging.yaml", "--from", "staging", "--store", "evidence", "--keys", "keys"])
        .expect(0);

    let (lake, work) = (user.path("evidence/lake"), user.path("spark"));
    let mut queries = vec![COUNTS.to_owned()];
    queries.extend(of_the_readme());
    let expected = expected(&user.path("evidence"));
    assert!(expected.len() > 60, "{expected:?}");
    let nonzero: BTreeMap<String, i64> = expected.into_iter().filter(|(_, n)| *n != 0).collect();
    let ask = |program: &str, arguments: &[&str], env: &[(String, String)]| {
        let queries = queries.iter().map(String::as_str);
        answers(&judges::lake(program, arguments.iter().copied().chain(queries), env).unwrap())
    };
    let duckdb = ask(include_str!("ask_duckdb.py"), &[lake.to_str().unwrap()], &[]);
    assert_eq!(counts(&duckdb[0]), nonzero);
    let spark = ask(include_str!("ask_spark.py"), &[lake.to_str().unwrap(), work.to_str().unwrap()], &[]);
    assert_eq!(counts(&spark[0]), nonzero);
    assert!(duckdb[1..].iter().all(|rows| !rows.is_empty()), "{duckdb:?}");
    assert_eq!(spark[1..], duckdb[1..], "the README's queries");
}

#[tokio::test]
async fn a_bucket_holds_the_same_lake_as_a_folder() {
    let (user, env) = (user(), minio().environment());
    minio().make_bucket("lake").await;
    for moment in [0, 1] {
        record(&user, moment, "evidence", &[]).expect(0);
        record(&user, moment, "s3://lake/prod", &env).expect(0);
    }
    let ask = |root: &str| {
        answers(&judges::lake(include_str!("ask_duckdb.py"), [root, COUNTS].into_iter(), &env).unwrap()).remove(0)
    };
    let (bucket, folder) =
        (counts(&ask("s3://lake/prod/lake")), counts(&ask(user.path("evidence/lake").to_str().unwrap())));
    assert!(folder.len() > 60);
    assert_eq!(bucket, folder);
}

#[test]
fn whatever_walks_a_store_passes_the_lake_by() {
    let user = user();
    for moment in [0, 1] {
        record(&user, moment, "evidence", &[]).expect(0);
    }
    assert!(user.path("evidence/lake/runs").is_dir());
    let key = ["--key", "keys/signing.pub"];
    let run = |arguments: &[&str], code: i32| user.run(&[arguments, &key].concat()).expect(code).stdout;
    let with = [
        run(&["list", "--store", "evidence", "--format", "json"], 0),
        run(&["status", "--store", "evidence", "--max-age", "99999d", "--format", "json"], 0),
        run(&["verify", "evidence", "--json"], 0),
    ];
    run(&["get", "--store", "evidence", "--out", "fetched"], 0);
    let fetched = files(&user.path("fetched"));
    assert!(!fetched.is_empty() && fetched.keys().all(|name| !name.contains("lake")), "{:?}", fetched.keys());
    let period =
        ["--from", "2026-10-01", "--to", "2026-11-30", "--store", "evidence", "--out", "package", "--keys", "keys"];
    user.run(&[["period"].as_slice(), &period].concat());
    assert!(files(&user.path("package")).keys().all(|name| !name.contains("lake")));

    fs::rename(user.path("evidence/lake"), user.path("elsewhere")).unwrap();
    let without = [
        run(&["list", "--store", "evidence", "--format", "json"], 0),
        run(&["status", "--store", "evidence", "--max-age", "99999d", "--format", "json"], 0),
        run(&["verify", "evidence", "--json"], 0),
    ];
    let timeless = |text: &String| serde_json::from_str::<Value>(text).unwrap()["clusters"][0]["bundles"].clone();
    assert_eq!(with.each_ref().map(timeless), without.each_ref().map(timeless));
    assert_eq!(serde_json::from_str::<Value>(&with[2]).unwrap()["result"], "verified");
}
