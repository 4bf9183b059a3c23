//! What every store promises.

use std::{collections::BTreeSet, process::Child};

use kubeproof::{
    bundle::{Leaf, log::commit_file},
    digest::Digest,
    store::{Cause, LARGEST_OBJECT, Store},
};
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};

use super::{CLUSTER, IMPATIENT, Place, block_on, bundle, child, deliver, faults::raw, log_key, plain};

/// One test for each promise and store.
macro_rules! promises {
    ($($name:ident)*) => {
        mod folder {
            $(#[test] fn $name() { super::block_on(async { super::$name(super::Place::folder().await).await }); })*
        }
        mod s3 {
            $(#[test] fn $name() { super::block_on(async { super::$name(super::Place::s3().await).await }); })*
        }
    };
}

promises! {
    an_empty_store_has_no_clusters_and_no_head
    a_bundle_comes_back_as_it_went_in
    writing_the_same_bundle_twice_is_one_bundle
    other_bytes_in_the_place_of_a_file_are_a_conflict_and_stay
    what_is_not_committed_is_not_listed
    sixteen_tasks_at_once_all_end_in_the_log_each_once
    sixteen_processes_at_once_all_end_in_the_log_each_once
    a_killed_process_leaves_nothing_listed
    a_squatted_slot_is_skipped_and_reported
    copies_of_old_commits_do_not_move_the_head
    a_slot_at_the_end_of_the_numbers_does_not_stop_the_log
    another_clusters_log_is_another_log
    an_object_that_is_too_large_is_refused_before_it_is_sent
    cluster_names_that_lead_elsewhere_are_refused
}

async fn an_empty_store_has_no_clusters_and_no_head(place: Place) {
    let store = place.open();
    assert_eq!(store.clusters().await.unwrap(), Vec::<String>::new());
    let head = store.head(CLUSTER, &log_key().public()).await.unwrap();
    assert_eq!((head.newest, head.skipped), (None, vec![]));
    let error = store.bundle_files(CLUSTER, &Digest::of("nothing")).await.unwrap_err();
    assert_eq!(error.cause, Cause::NotFound);
}

async fn a_bundle_comes_back_as_it_went_in(place: Place) {
    let (store, bundle) = (place.open(), bundle(0));
    let committed = deliver(&store, &bundle).await.unwrap();
    assert_eq!((committed.index, committed.size, committed.slot, committed.was_there), (0, 1, 0, false));
    let again = place.open();
    assert_eq!(again.clusters().await.unwrap(), [CLUSTER]);
    assert_eq!(again.bundle_files(CLUSTER, &bundle.id).await.unwrap(), plain(&bundle.files));
    let head = again.head(CLUSTER, &log_key().public()).await.unwrap().newest.unwrap();
    assert_eq!((head.commit.leaf(), head.commit.root()), (&bundle.leaf, committed.root));
}

async fn writing_the_same_bundle_twice_is_one_bundle(place: Place) {
    let (store, first, second) = (place.open(), bundle(0), bundle(1));
    deliver(&store, &first).await.unwrap();
    let again = deliver(&store, &first).await.unwrap();
    assert_eq!((again.index, again.size, again.was_there), (0, 1, true));

    deliver(&store, &second).await.unwrap();
    let late = store.commit(CLUSTER, &first.leaf, &log_key(), Some(0), IMPATIENT).await.unwrap();
    assert_eq!((late.index, late.was_there), (0, true), "an attempt whose success nobody heard of is found again");
    assert_eq!(leaves(&store).await, [first.leaf, second.leaf]);
}

async fn other_bytes_in_the_place_of_a_file_are_a_conflict_and_stay(place: Place) {
    let (store, bundle) = (place.open(), bundle(0));
    let mut forged = bundle.files.clone();
    forged.insert("data/evaluation.json".into(), "{}".into());
    store.put_bundle(CLUSTER, &bundle.id, &forged, IMPATIENT).await.unwrap();
    let error = store.put_bundle(CLUSTER, &bundle.id, &bundle.files, IMPATIENT).await.unwrap_err();
    assert_eq!(error.cause, Cause::Conflict);
    assert!(error.to_string().contains("data/evaluation.json: it exists with other bytes"), "{error}");
    assert_eq!(store.bundle_files(CLUSTER, &bundle.id).await.unwrap(), plain(&forged));
}

async fn what_is_not_committed_is_not_listed(place: Place) {
    let (store, bundle) = (place.open(), bundle(0));
    store.put_bundle(CLUSTER, &bundle.id, &bundle.files, IMPATIENT).await.unwrap();
    assert_eq!(leaves(&store).await, Vec::<Leaf>::new());
    assert_eq!(store.head(CLUSTER, &log_key().public()).await.unwrap().newest, None);
}

async fn sixteen_tasks_at_once_all_end_in_the_log_each_once(place: Place) {
    let store = place.open();
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { deliver(&store, &bundle(number)).await.unwrap() })
        })
        .collect();
    let mut indexes = BTreeSet::new();
    for task in tasks {
        let committed = task.await.unwrap();
        assert_eq!((committed.index, committed.skipped), (committed.slot, vec![]));
        indexes.insert(committed.index);
    }
    assert_eq!(indexes, (0..16).collect());
    assert_each_once(&store).await;
}

async fn sixteen_processes_at_once_all_end_in_the_log_each_once(place: Place) {
    let store = place.open();
    let children: Vec<Child> = (0..16).map(|number| child::start(&place, "deliver", number)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert_each_once(&store).await;
}

async fn a_killed_process_leaves_nothing_listed(place: Place) {
    let store = place.open();
    deliver(&store, &bundle(0)).await.unwrap();
    for number in 1..4 {
        // Stops for good after that many objects, and is killed there: in the bag, before the commit.
        child::start_and_kill(&place, number);
    }
    assert_eq!(leaves(&store).await, [bundle(0).leaf]);
    assert_eq!(store.head(CLUSTER, &log_key().public()).await.unwrap().skipped, vec![]);
    let next = deliver(&store, &bundle(1)).await.unwrap();
    assert_eq!((next.index, next.was_there), (1, false), "the next run completes what the killed one began");
    assert_eq!(store.bundle_files(CLUSTER, &bundle(1).id).await.unwrap(), plain(&bundle(1).files));
}

async fn a_squatted_slot_is_skipped_and_reported(place: Place) {
    let store = place.open();
    deliver(&store, &bundle(0)).await.unwrap();
    squat(&place, 1, b"not a commit").await;
    let second = deliver(&store, &bundle(1)).await.unwrap();
    assert_eq!((second.index, second.slot), (1, 2));
    assert_eq!(second.skipped.iter().map(|skipped| skipped.slot).collect::<Vec<_>>(), [1]);
    assert!(second.skipped[0].reason.contains("not a log commit"), "{}", second.skipped[0].reason);

    let third = deliver(&place.open(), &bundle(2)).await.unwrap();
    assert_eq!((third.index, third.slot), (2, 3));
    let log = store.log(CLUSTER, &log_key().public(), 0).await.unwrap();
    assert_eq!(
        log.commits.iter().map(|slot| (slot.slot, slot.commit.index())).collect::<Vec<_>>(),
        [(0, 0), (2, 1), (3, 2)]
    );
    assert_eq!(log.skipped.len(), 1);
}

async fn copies_of_old_commits_do_not_move_the_head(place: Place) {
    let store = place.open();
    for number in 0..4 {
        deliver(&store, &bundle(number)).await.unwrap();
    }
    let files = store.commit_files(CLUSTER).await.unwrap();
    squat(&place, 4, &files[&1]).await;
    squat(&place, 5, &files[&2]).await;
    let head = store.head(CLUSTER, &log_key().public()).await.unwrap();
    assert_eq!(head.newest.unwrap().slot, 3);
    assert_eq!(head.skipped.iter().map(|skipped| skipped.slot).collect::<Vec<_>>(), [4, 5]);
    let next = deliver(&store, &bundle(4)).await.unwrap();
    assert_eq!((next.index, next.slot), (4, 6));
}

async fn a_slot_at_the_end_of_the_numbers_does_not_stop_the_log(place: Place) {
    let store = place.open();
    deliver(&store, &bundle(0)).await.unwrap();
    squat(&place, 9_999_999_999, b"").await;
    let next = deliver(&store, &bundle(1)).await.unwrap();
    assert_eq!((next.index, next.slot), (1, 1));
    assert_eq!(next.skipped.iter().map(|skipped| skipped.slot).collect::<Vec<_>>(), [9_999_999_999]);
}

async fn another_clusters_log_is_another_log(place: Place) {
    let store = place.open();
    deliver(&store, &bundle(0)).await.unwrap();
    let other = store.commit("other-nouid", &bundle(1).leaf, &log_key(), None, IMPATIENT).await.unwrap();
    assert_eq!(other.index, 0);
    squat(&place, 1, &store.commit_files("other-nouid").await.unwrap()[&0]).await;
    let next = deliver(&store, &bundle(2)).await.unwrap();
    assert_eq!((next.index, next.slot), (1, 2));
    assert!(next.skipped[0].reason.contains("kubeproof.dev/log/other-nouid"), "{}", next.skipped[0].reason);
    assert_eq!(store.clusters().await.unwrap(), ["other-nouid", CLUSTER]);
}

async fn an_object_that_is_too_large_is_refused_before_it_is_sent(place: Place) {
    let store = place.open();
    let huge = vec![0; usize::try_from(LARGEST_OBJECT).unwrap() + 1];
    let files = [("data/huge".to_owned(), huge.into())].into();
    let error = store.put_bundle(CLUSTER, &Digest::of("huge"), &files, IMPATIENT).await.unwrap_err();
    assert_eq!(error.cause, Cause::TooLarge);
    assert!(error.to_string().contains("513 MiB are more than the 512 MiB"), "{error}");
}

async fn cluster_names_that_lead_elsewhere_are_refused(place: Place) {
    let store = place.open();
    for name in ["", ".", "..", "../prod", "a/b", "A", "a b", "a\0", "%2e%2e"] {
        let error = store.head(name, &log_key().public()).await.unwrap_err();
        assert_eq!(error.cause, Cause::Configuration, "{name:?}");
    }
}

/// Somebody else's bytes in a slot.
async fn squat(place: &Place, slot: u64, bytes: &[u8]) {
    let (backend, root) = raw(place);
    let path = Path::parse(format!("{root}/clusters/{CLUSTER}/log/commits/{}", commit_file(slot))).unwrap();
    backend.put(&path, PutPayload::from(bytes.to_vec())).await.unwrap();
}

async fn leaves(store: &Store) -> Vec<Leaf> {
    let log = store.log(CLUSTER, &log_key().public(), 0).await.unwrap();
    log.commits.iter().map(|slot| slot.commit.leaf().clone()).collect()
}

async fn assert_each_once(store: &Store) {
    let log = store.log(CLUSTER, &log_key().public(), 0).await.unwrap();
    assert_eq!((log.commits.len(), log.skipped.len()), (16, 0));
    let found: BTreeSet<Vec<u8>> = log.commits.iter().map(|slot| slot.commit.leaf().bytes().to_vec()).collect();
    assert_eq!(found, (0..16).map(|number| bundle(number).leaf.bytes().to_vec()).collect());
    for number in 0..16 {
        assert_eq!(store.bundle_files(CLUSTER, &bundle(number).id).await.unwrap(), plain(&bundle(number).files));
    }
}
