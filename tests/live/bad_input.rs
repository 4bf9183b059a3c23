//! What goes wrong gets one sentence, the right exit code, and loses nothing.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

use super::{
    least_privilege::token,
    workspace::{Workspace, entries, json},
};
use crate::harness::cluster;

#[tokio::test]
async fn a_token_that_is_no_longer_valid() {
    let cluster = cluster();
    let user = Workspace::new();
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: left, namespace: default}\n";
    let file = user.write("account.yaml", account);
    cluster.apply("test", &[&file]);
    let kubeconfig = user.path("kubeconfig");
    cluster.write_kubeconfig(&kubeconfig, &token(cluster, "default", "left").await, None);
    cluster.delete(&[&file]);
    let ended = user.run_live(&kubeconfig, &[]).expect(2);
    ended.says("401");
    assert!(!user.path("evidence/clusters").exists(), "nothing was stored");
}

#[test]
fn a_kubeconfig_that_names_no_server() {
    let user = Workspace::new();
    let kubeconfig = user.write(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {}}]\n\
         users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n",
    );
    let ended = user.run_live(&kubeconfig, &[]).expect(2);
    ended.says("server");
    ended.says("kubeconfig");
}

#[test]
fn a_server_that_does_not_answer() {
    let user = Workspace::new();
    let kubeconfig = user.path("kubeconfig");
    let nobody = format!("https://127.0.0.1:{}", crate::harness::supervised::free_port());
    cluster().write_kubeconfig(&kubeconfig, "token", Some(&nobody));
    let ended = user.run_live(&kubeconfig, &[]).expect(2);
    ended.says(&nobody);
}

/// Forwards to the API server until so many bytes came back, then closes every connection and answers no more.
struct DyingServer {
    address: SocketAddr,
}

impl DyingServer {
    fn new(real: &str, lifetime_bytes: i64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let real = real.trim_start_matches("https://").to_owned();
        let left = Arc::new(AtomicI64::new(lifetime_bytes));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if left.load(Ordering::SeqCst) <= 0 {
                    break;
                }
                let server = TcpStream::connect(&real).unwrap();
                let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || forward(from_client, to_server, &AtomicI64::new(i64::MAX)));
                let left = Arc::clone(&left);
                thread::spawn(move || forward(server, client, &left));
            }
        });
        Self { address }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        let spent = i64::try_from(count).unwrap();
        if count == 0 || left.fetch_sub(spent, Ordering::SeqCst) < spent || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

#[test]
fn a_cluster_that_dies_in_the_middle() {
    let cluster = cluster();
    let user = Workspace::new();
    let kubeconfig = user.path("kubeconfig");
    let dying = DyingServer::new(cluster.server(), 200_000);
    cluster.write_kubeconfig(&kubeconfig, "admin-token", Some(&format!("https://{}", dying.address)));
    let ended = user.run_live(&kubeconfig, &[]).expect(5);
    assert!(ended.stdout.contains("UNSEEN"), "{}", ended.stdout);
    let coverage = json(&user.bundle().join("data/coverage.json"));
    let lists = coverage["lists"].as_array().unwrap();
    let count = |outcome: &str| lists.iter().filter(|list| list["outcome"]["is"] == outcome).count();
    assert!(count("seen") > 0 && count("failed") + count("timedOut") > 0, "{lists:?}");
    assert_eq!(entries(&user.cluster_folder().join("log/commits")).len(), 1, "what was seen is committed");
}

#[test]
fn two_runs_at_once_both_end_in_the_log() {
    let user = Workspace::new();
    assert_eq!(user.run(&["keys", "generate"]).code, 0);
    thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| user.run_live(cluster().kubeconfig(), &[])));
        for run in both {
            run.join().unwrap().expect(0);
        }
    });
    assert_eq!(entries(&user.cluster_folder().join("log/commits")).len(), 2);
    assert_eq!(user.bundles().len(), 2);
}

#[test]
fn a_clock_before_the_last_bundle() {
    let user = Workspace::new();
    user.run_live(cluster().kubeconfig(), &[]).expect(0);
    let mut command = user.kubeproof();
    command.arg("run").arg("--kubeconfig").arg(cluster().kubeconfig()).args(["--store", "evidence"]);
    let ended = super::workspace::Ended::from(command.env("KUBEPROOF_NOW", "2020-01-01T00:00:00Z").output().unwrap());
    let said = ended.expect(0).stderr;
    assert!(said.contains("the clock stands before the last bundle"), "{said}");
    assert_eq!(user.bundles().len(), 2, "evidence is kept whatever the clock says");
}
