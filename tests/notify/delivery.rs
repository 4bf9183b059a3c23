//! Delivery to servers that answer well, badly, late, elsewhere or not at all.

use std::time::{Duration, Instant};

use kubeproof::{
    config::{HookConfig, HookFormat, Occasion, Span},
    framework::Severity,
    notify::{Failed, Hook, Patience, Run, Tale, Told},
};

use crate::harness::{
    hooks::{Answer, Receiver},
    install_tls,
};

const PATH: &str = "/services/path-secret?key=query-secret";

/// Pauses that no test notices.
const QUICK: Patience =
    Patience { first_pause: Duration::from_millis(1), attempt: Duration::from_secs(20), retries: 4 };

fn hook(url: &str, timeout: Duration) -> Hook {
    install_tls();
    let config = HookConfig {
        url: "env:HOOK".into(),
        token: Some("env:TOKEN".into()),
        format: HookFormat::Json,
        on: Occasion::Failure,
        severity: Severity::Info,
        timeout: Span(timeout),
    };
    Hook::new(&config, url, Some("token-secret")).unwrap()
}

async fn told_with(url: &str, timeout: Duration, patience: Patience) -> Told {
    let at = "2026-11-23T06:00:00Z".parse().unwrap();
    let run = Run { scheduled: None, started: at, finished: at };
    let failed = Failed { cluster: Some("shop"), environment: None, run: &run, reason: "no cluster" };
    let told = hook(url, timeout).tell(&Tale::Failed(failed), patience).await;
    let said = format!("{told:?}");
    assert!(!said.contains("secret") && !said.contains("services"), "{said}");
    told
}

async fn told(receiver: &Receiver) -> Told {
    told_with(&receiver.url(PATH), Duration::from_secs(60), QUICK).await
}

fn reason(told: Told) -> String {
    match told {
        Told::Failed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_request_says_what_happened() {
    let receiver = Receiver::start([Answer::status(204)]);
    assert_eq!(told(&receiver).await, Told::Delivered { attempts: 1 });
    let request = receiver.only();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", PATH));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some("Bearer token-secret"));
    assert!(request.header("user-agent").unwrap().starts_with("kubeproof/"));
    let message = request.json();
    assert_eq!((&message["schema"], &message["event"]), (&"kubeproof.dev/notification/v1".into(), &"failure".into()));
    assert_eq!((&message["cluster"]["name"], &message["error"]), (&"shop".into(), &"no cluster".into()));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_body() {
    for passing in [500, 502, 503, 504, 429, 408] {
        let receiver = Receiver::start([Answer::status(passing), Answer::Closes, Answer::status(200)]);
        assert_eq!(told(&receiver).await, Told::Delivered { attempts: 3 }, "{passing}");
        let bodies = receiver.received();
        assert!(bodies.iter().all(|request| request.body == bodies[0].body && request.path == PATH));
    }
}

#[tokio::test]
async fn what_does_not_pass_is_not_tried_again() {
    for (status, words) in
        [(400, "400 Bad Request"), (404, "404 Not Found"), (410, "410 Gone"), (501, "501 Not Implemented")]
    {
        let receiver = Receiver::start([Answer::status(status)]);
        assert_eq!(reason(told(&receiver).await), format!("it answered {words}"));
        receiver.only();
    }
}

#[tokio::test]
async fn attempts_come_to_an_end() {
    let receiver = Receiver::start([Answer::status(500)]);
    assert_eq!(reason(told(&receiver).await), "it answered 500 Internal Server Error (5 attempts)");
    assert_eq!(receiver.received().len(), 5);
    let receiver = Receiver::start([Answer::Closes]);
    assert_eq!(reason(told(&receiver).await), "connection closed before message completed (5 attempts)");
}

#[tokio::test]
async fn the_rest_that_a_hook_wants_is_given() {
    for wants in [Answer::with(429, "retry-after", "1"), Answer::with(503, "retry-after", "1")] {
        let receiver = Receiver::start([wants, Answer::status(200)]);
        let began = Instant::now();
        assert_eq!(told(&receiver).await, Told::Delivered { attempts: 2 });
        assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let date = Answer::Says(
        429,
        vec![("date", "Mon, 23 Nov 2026 06:00:00 GMT".into()), ("retry-after", "Mon, 23 Nov 2026 06:00:01 GMT".into())],
        "",
    );
    let receiver = Receiver::start([date, Answer::status(200)]);
    let began = Instant::now();
    assert_eq!(told(&receiver).await, Told::Delivered { attempts: 2 });
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_rest_beyond_the_deadline_ends_the_delivery_at_once() {
    let receiver = Receiver::start([Answer::with(429, "retry-after", "7200")]);
    let began = Instant::now();
    assert_eq!(reason(told(&receiver).await), "it answered 429 Too Many Requests and wants 2h of rest");
    assert!(began.elapsed() < Duration::from_secs(30));
    receiver.only();
}

#[tokio::test]
async fn a_hook_that_hangs_holds_nothing_up() {
    let receiver = Receiver::start([Answer::Hangs]);
    let began = Instant::now();
    let total = told_with(&receiver.url(PATH), Duration::from_millis(300), QUICK).await;
    assert_eq!(reason(total), "no answer within 300ms");
    let impatient = Patience { attempt: Duration::from_millis(50), retries: 2, ..QUICK };
    let each = told_with(&receiver.url(PATH), Duration::from_secs(60), impatient).await;
    assert_eq!(reason(each), "no answer in time (3 attempts)");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn nobody_there_is_said_without_the_address() {
    let receiver = Receiver::start([Answer::status(200)]);
    let url = receiver.url(PATH);
    drop(receiver);
    // The port is closed when the server's thread has ended; until then connections are refused or reset.
    let reason = reason(told_with(&url, Duration::from_secs(60), QUICK).await);
    assert!(reason.ends_with("(5 attempts)"), "{reason}");
    let unknown = told_with("https://kubeproof.invalid/path-secret", Duration::from_secs(60), QUICK).await;
    assert!(matches!(unknown, Told::Failed(_)));
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_that_was_meant_for_tls() {
    let receiver = Receiver::start([Answer::status(200)]);
    let url = receiver.url(PATH).replace("http://", "https://");
    assert!(matches!(told_with(&url, Duration::from_secs(60), QUICK).await, Told::Failed(_)));
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn redirects_are_followed_within_one_origin_and_never_as_another_request() {
    for status in [307, 308] {
        let receiver =
            Receiver::start([Answer::with(status, "location", "/moved?key=query-secret"), Answer::status(200)]);
        assert_eq!(told(&receiver).await, Told::Delivered { attempts: 1 });
        let [_, moved] = &receiver.received()[..] else { panic!("two requests") };
        assert_eq!((moved.method.as_str(), moved.path.as_str()), ("POST", "/moved?key=query-secret"));
        assert!(moved.json()["schema"].is_string() && moved.header("referer").is_none());
        assert_eq!(moved.header("authorization"), Some("Bearer token-secret"));
    }
    let elsewhere = Receiver::start([Answer::status(200)]);
    for (status, location) in [
        (307, elsewhere.url("/path-secret")),
        (308, elsewhere.url("/")),
        (301, "/x".into()),
        (302, "/x".into()),
        (303, "/x".into()),
    ] {
        let receiver = Receiver::start([Answer::with(status, "location", location)]);
        let reason = reason(told(&receiver).await);
        assert!(reason.starts_with(&format!("it answered {status} ")), "{reason}");
        assert!(reason.ends_with("a redirect that is not followed: name the new address"), "{reason}");
        receiver.only();
    }
    assert!(elsewhere.received().is_empty(), "the message goes where the configuration says");
    let circle = Receiver::start([Answer::with(307, "location", "/again")]);
    assert!(reason(told(&circle).await).contains("a redirect that is not followed"));
    assert_eq!(circle.received().len(), 4);
}
