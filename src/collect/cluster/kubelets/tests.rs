//! What a kubelet that is no real one gets to see, and what its answers become. Real kubelets: `tests/live/`.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::snapshot::Tokens;

const TOKEN: &str = "the-callers-own-token";

fn sealer() -> Sealer {
    Sealer::new(None, "", Tokens::Foreign)
}

fn node(status: Value) -> Object {
    let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": status});
    sealer().seal(object, "nodes", None).unwrap()
}

fn at(ip: &str, port: u64) -> Value {
    json!({"addresses": [{"type": "Hostname", "address": "evil.example.com"}, {"type": "InternalIP", "address": ip}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}})
}

fn config() -> Config {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = Config::new("https://127.0.0.1:6443".parse().unwrap());
    config.auth_info.token = Some(TOKEN.to_owned().into());
    config
}

#[tokio::test]
async fn a_server_that_proves_nothing_gets_no_token() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 16 << 10];
            let count = stream.read(&mut buffer).await.unwrap_or(0);
            heard.lock().unwrap().extend_from_slice(&buffer[..count]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"kubeletconfig\": {}}\n\n").await;
        }
    });
    let (_, answer) = ask(&config(), &node(at("127.0.0.1", port.into())), &sealer(), &AtomicU32::new(0)).await;
    let reason = reason(&answer.unwrap_err());
    assert!(reason.contains("not verified, so that no token was sent"), "{reason}");
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty() && seen[0] == 0x16, "it was greeted with TLS");
    assert!(!String::from_utf8_lossy(&seen).contains(TOKEN));
}

#[test]
fn addresses_are_numbers_and_ports_are_ports() {
    let address = |ip: &str, port: u64| address(&json!({"status": at(ip, port)}));
    for (ip, port, url) in [("10.0.0.7", 10250, "https://10.0.0.7:10250/"), ("fd00::7", 1, "https://[fd00::7]:1/")] {
        assert_eq!(address(ip, port).unwrap().to_string(), url);
    }
    let wrong = [("evil.example.com", 10250), ("10.0.0.7/x", 10250), ("10.0.0.7", 0), ("10.0.0.7", 70_000), ("", 1)];
    for (ip, port) in wrong {
        assert!(address(ip, port).is_err(), "{ip}:{port}");
    }
    assert!(super::address(&json!({})).is_err());
}

#[test]
fn pages_and_broken_json_are_sentences() {
    let bodies: [&[u8]; 6] =
        [b"<html>login</html>", b"", b"{}", br#"{"kubeletconfig": 5}"#, br#"{"a": 1, "a": 2}"#, b"[]"];
    for body in bodies {
        let failure = seal("n1", body, &sealer()).unwrap_err();
        assert_eq!(reason(&failure), "it is no kubelet configuration");
    }
    let object = seal("n1", br#"{"kubeletconfig": {"readOnlyPort": 0, "token": "hunter2"}}"#, &sealer()).unwrap();
    assert_eq!((object.gvk.api_version().as_str(), object.gvk.kind.as_str()), ("kubeproof.dev/v1", "KubeletConfig"));
    assert_eq!((object.resource.as_str(), object.name.as_str()), ("nodes/configz", "n1"));
    assert_eq!(object.value()["spec"], json!({"readOnlyPort": 0, "token": "redacted:v1:-:token:-"}));
}

#[test]
fn only_all_answers_are_an_answer_and_those_that_came_are_kept() {
    let good = || seal("n", br#"{"kubeletconfig": {}}"#, &sealer());
    let status = |status| Err(Failure::Status { status, reason: "r".into(), retry_after: None });
    let of = |answers: Vec<Result<Object, Failure>>| {
        let named = answers.into_iter().enumerate().map(|(index, answer)| (format!("n{index}"), answer));
        let (objects, outcome) = sort(named.collect());
        (objects.len(), outcome)
    };
    assert_eq!(of(vec![good(), good()]), (2, ListOutcome::Seen));
    assert_eq!(of(vec![]), (0, ListOutcome::Seen));
    let reason = "2 of 3 nodes: 403, the kubelet wants get on nodes/configz (n1, n2)".to_owned();
    assert_eq!(of(vec![good(), status(403), status(403)]), (1, ListOutcome::Refused { status: 403, reason }));
    let (count, outcome) = of(vec![good(), status(403), status(500)]);
    assert_eq!(count, 1);
    let reason = "2 of 3 nodes: 403, the kubelet wants get on nodes/configz (n1); 500 r (n2)".to_owned();
    assert_eq!(outcome, ListOutcome::Failed { reason });
}
