//! Bundles that wait in the state folder.

use std::sync::Arc;

use kubeproof::store::{
    Store,
    pending::{Pending, Undelivered, deliver},
};
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::{
    CLUSTER, IMPATIENT, Place, block_on, bundle,
    faults::{Fault, Faulty},
    files_below, log_key, plain,
};

fn broken(fault: Fault) -> Store {
    Store::with_backend(Arc::new(Faulty::new(Arc::new(InMemory::new()), String::new(), fault)), "s3://evidence/prod")
}

#[test]
fn what_could_not_be_committed_waits_and_goes_first_next_time() {
    block_on(async {
        let (state, place) = (TempDir::new().unwrap(), Place::folder().await);
        for number in 0..2 {
            let error = deliver(
                &broken(Fault::Unreachable),
                CLUSTER,
                &bundle(number),
                0,
                &log_key(),
                Some(state.path()),
                IMPATIENT,
            )
            .await
            .unwrap_err();
            let Undelivered::Store { waits_in: Some(folder), .. } = error else { panic!("{error}") };
            assert!(folder.ends_with(format!("{number:010}-{}", bundle(number).id.hex())), "{folder:?}");
        }
        let flushed =
            deliver(&place.open(), CLUSTER, &bundle(2), 0, &log_key(), Some(state.path()), IMPATIENT).await.unwrap();
        let order: Vec<_> = flushed.committed.iter().map(|(id, committed)| (*id, committed.index)).collect();
        assert_eq!(order, [(bundle(0).id, 0), (bundle(1).id, 1), (bundle(2).id, 2)]);
        assert_eq!(files_below(state.path()), [format!("pending/{CLUSTER}/.lock")]);
        assert_eq!(place.open().bundle_files(CLUSTER, &bundle(1).id).await.unwrap(), plain(&bundle(1).files));
    });
}

#[test]
fn a_bundle_whose_commit_was_not_heard_of_is_not_committed_twice() {
    block_on(async {
        let (state, place) = (TempDir::new().unwrap(), Place::folder().await);
        Pending::open(state.path(), CLUSTER).unwrap().keep(&bundle(0), 0).unwrap();
        // Killed after the commit and before the folder went away; others have run since.
        for number in 0..3 {
            deliver(&place.open(), CLUSTER, &bundle(number), 0, &log_key(), None, IMPATIENT).await.unwrap();
        }
        let flushed = Pending::open(state.path(), CLUSTER)
            .unwrap()
            .flush(&place.open(), CLUSTER, &log_key(), IMPATIENT)
            .await
            .unwrap();
        assert_eq!(flushed.committed.len(), 1);
        assert_eq!((flushed.committed[0].1.index, flushed.committed[0].1.was_there), (0, true));
        assert_eq!(place.open().head(CLUSTER, &log_key().public()).await.unwrap().newest.unwrap().commit.size(), 3);
    });
}

#[test]
fn a_damaged_folder_is_named_and_does_not_hold_up_the_others() {
    block_on(async {
        let (state, place) = (TempDir::new().unwrap(), Place::folder().await);
        let pending = Pending::open(state.path(), CLUSTER).unwrap();
        let damaged = pending.keep(&bundle(0), 0).unwrap();
        pending.keep(&bundle(1), 0).unwrap();
        std::fs::write(damaged.join("bundle/data/evaluation.json"), "{}").unwrap();
        let flushed = pending.flush(&place.open(), CLUSTER, &log_key(), IMPATIENT).await.unwrap();
        assert_eq!(flushed.damaged, [damaged]);
        assert_eq!(flushed.committed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [bundle(1).id]);
    });
}

#[test]
fn without_a_state_folder_the_error_says_that_nothing_waits() {
    block_on(async {
        let error =
            deliver(&broken(Fault::Refuse), CLUSTER, &bundle(0), 0, &log_key(), None, IMPATIENT).await.unwrap_err();
        assert!(matches!(error, Undelivered::Store { waits_in: None, .. }), "{error}");
    });
}

#[test]
fn half_a_folder_of_a_killed_process_is_taken_for_nothing() {
    let state = TempDir::new().unwrap();
    let pending = Pending::open(state.path(), CLUSTER).unwrap();
    std::fs::create_dir_all(state.path().join("pending").join(CLUSTER).join(".unfinished-x/bundle")).unwrap();
    assert_eq!(pending.waiting().unwrap(), Vec::<std::path::PathBuf>::new());
}
