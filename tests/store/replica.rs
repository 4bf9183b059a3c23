//! Replicas: the same log in another store, whole after each run, and never a mixture of two.

use std::{fs, path::Path, process::Command};

use kubeproof::{
    bundle::SigningKey,
    store::{Cause, Store},
};
use tempfile::TempDir;

use super::{CLUSTER, IMPATIENT, Place, block_on, bundle, deliver, files_below};
use crate::harness::minio;

async fn copy(from: &Store, to: &Store) -> Result<u64, (Cause, String)> {
    from.replicate(to, CLUSTER, IMPATIENT).await.map_err(|error| (error.cause, error.to_string()))
}

fn verify(place: &Place) -> (i32, String) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("key"), SigningKey::from_seed([1; 32]).public().to_pem().unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
    command.args(["verify", &place.url, "--key"]).arg(folder.path().join("key"));
    let output = command.env("HOME", "/nonexistent").envs(&place.env).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_replica_gets_what_it_lacks_and_verifies_alone() {
    block_on(async {
        let (primary, replica) = (Place::s3().await, Place::folder().await);
        let (from, to) = (primary.open(), replica.open());
        for number in 0..2 {
            deliver(&from, &bundle(number)).await.unwrap();
        }
        assert_eq!(copy(&from, &to).await, Ok(2), "entries from before the replica was named");
        deliver(&from, &bundle(2)).await.unwrap();
        assert_eq!(copy(&from, &to).await, Ok(1));
        assert_eq!(copy(&from, &to).await, Ok(0));
        for number in 0..3 {
            let id = bundle(number).id;
            let files = to.bundle_files(CLUSTER, &id).await.unwrap();
            assert!(files == from.bundle_files(CLUSTER, &id).await.unwrap());
            assert!(files.len() > 5, "{:?}", files.keys());
        }
        assert!(to.commit_files(CLUSTER).await.unwrap() == from.commit_files(CLUSTER).await.unwrap());
        let (code, said) = verify(&replica);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("3 bundles"), "{said}");

        // The other way round: what a folder holds goes into a bucket.
        let bucket = Place::s3().await;
        assert_eq!(copy(&to, &bucket.open()).await, Ok(3));
        assert!(bucket.open().commit_files(CLUSTER).await.unwrap() == from.commit_files(CLUSTER).await.unwrap());
    });
}

#[test]
fn a_copy_that_broke_off_leaves_no_entry_without_its_bundle() {
    block_on(async {
        let (primary, replica) = (Place::folder().await, Place::folder().await);
        let (from, to) = (primary.open(), replica.open());
        for number in 0..2 {
            deliver(&from, &bundle(number)).await.unwrap();
        }
        // A file where the second bundle's folder belongs: nothing can be written below it.
        let in_the_way =
            Path::new(&replica.url).join("clusters").join(CLUSTER).join("bundles").join(bundle(1).id.hex());
        fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
        fs::write(&in_the_way, "").unwrap();
        copy(&from, &to).await.unwrap_err();
        assert_eq!(files_below(Path::new(&replica.url)).iter().filter(|file| file.contains("commits")).count(), 1);
        assert_eq!(verify(&replica).0, 0);
        fs::remove_file(&in_the_way).unwrap();
        assert_eq!(copy(&from, &to).await, Ok(1));
        assert_eq!(verify(&replica).0, 0);
    });
}

#[test]
fn another_log_and_a_primary_that_lost_entries_are_told() {
    block_on(async {
        let places = [Place::folder().await, Place::folder().await];
        let [one, other] = places.each_ref().map(Place::open);
        deliver(&one, &bundle(0)).await.unwrap();
        deliver(&other, &bundle(5)).await.unwrap();
        let (cause, said) = copy(&one, &other).await.unwrap_err();
        assert_eq!(cause, Cause::Conflict);
        assert!(said.contains("another log"), "{said}");

        deliver(&other, &bundle(6)).await.unwrap();
        let before = files_below(Path::new(&places[1].url));
        let (cause, said) = copy(&one, &other).await.unwrap_err();
        assert_eq!(cause, Cause::Conflict);
        assert!(said.contains("it holds an entry that") && said.contains("lost part of its log"), "{said}");
        assert_eq!(files_below(Path::new(&places[1].url)), before, "a replica of another log was written to");
    });
}

/// `kubeproof run` of one manifest with these arguments: exit code and what it said.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    fs::write(folder.join("cm.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubeproof"));
    command.args(["run", "--from", "cm.yaml", "--name", "shop"]).args(arguments).current_dir(folder);
    command.env("HOME", folder).env_remove("XDG_CONFIG_HOME").envs(minio().environment());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

#[test]
fn a_run_copies_to_every_replica_and_ends_well_without_one() {
    let folder = TempDir::with_prefix("kubeproof-replica-").unwrap();
    let stores = ["--store", "a", "--store", "b", "--store", "c"];
    let (code, said) = run(folder.path(), &stores);
    assert_eq!(code, 0, "{said}");
    let b = folder.path().join("b").canonicalize().unwrap();
    assert!(said.contains(&format!("copied 1 log entry to {}", b.display())), "{said}");
    assert_eq!(files_below(&folder.path().join("a")), files_below(&b));

    // One replica is in the way of itself, the other one still gets its copy.
    let commits = walkdir::WalkDir::new(&b).into_iter().filter_map(Result::ok);
    let commits =
        commits.filter(|entry| entry.file_name() == "commits").map(walkdir::DirEntry::into_path).next().unwrap();
    fs::remove_dir_all(&commits).unwrap();
    fs::write(&commits, "").unwrap();
    let (code, said) = run(folder.path(), &stores);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("b is behind, the next run copies again"), "{said}");
    assert_eq!(files_below(&folder.path().join("a")), files_below(&folder.path().join("c")));
    fs::remove_file(&commits).unwrap();
    let (_, said) = run(folder.path(), &stores);
    assert!(said.contains("copied 3 log entries to"), "{said}");
    assert_eq!(files_below(&folder.path().join("a")), files_below(&b));

    let (code, said) = run(folder.path(), &["--store", "a", "--store", "./a"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is named twice"), "{said}");
}
