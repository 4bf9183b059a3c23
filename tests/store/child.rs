//! Other processes: this test binary again, told by its environment which store to use and what to do there.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use kubeproof::store::Store;

use super::{
    IMPATIENT, Place, block_on, bundle, deliver,
    faults::{Fault, Faulty, raw_of},
};

const TASK: &str = "KUBEPROOF_TEST_TASK";

/// Starts a process that does `task` with bundle `number`.
pub fn start(place: &Place, task: &str, number: u32) -> Child {
    command(place, task, number).spawn().unwrap()
}

/// Starts a process that stops for good after `objects` objects, and kills it there.
pub fn start_and_kill(place: &Place, objects: u32) {
    let mut child = start(place, "stop", objects);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("stopped in the middle")), "the child ended before it could be killed");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The command of a process that does `task`; its environment holds nothing else that matters.
pub fn command(place: &Place, task: &str, number: u32) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["store::child::of_another_test", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task).env("KUBEPROOF_TEST_STORE", &place.url).env("KUBEPROOF_TEST_NUMBER", number.to_string());
    command.envs(&place.env).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

#[test]
#[ignore = "the part of other tests that runs in a process of its own"]
fn of_another_test() {
    let text = |name: &str| env::var_os(name).unwrap().into_string().unwrap();
    let (url, number) = (text("KUBEPROOF_TEST_STORE"), text("KUBEPROOF_TEST_NUMBER").parse().unwrap());
    let all: BTreeMap<String, String> =
        env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
    match text(TASK).as_str() {
        "deliver" => {
            block_on(deliver(&Store::open(&url, &all).unwrap(), &bundle(number))).unwrap();
        }
        "stop" => {
            let (inner, root) = raw_of(&url, &all);
            let store = Store::with_backend(Arc::new(Faulty::new(inner, root, Fault::StopAfter(number))), &url);
            block_on(store.put_bundle(super::CLUSTER, &bundle(1).id, &bundle(1).files, IMPATIENT)).unwrap();
        }
        "fail" => {
            let error = match Store::open(&url, &all) {
                Ok(store) => block_on(deliver(&store, &bundle(number))).unwrap_err(),
                Err(error) => error,
            };
            println!("FAILED {error} | {}", error.hint());
        }
        other => panic!("no such task: {other}"),
    }
}
