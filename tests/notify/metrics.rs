//! Metrics as a node exporter and a Prometheus server would read them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    harness::{
        cluster,
        hooks::{Answer, Receiver},
        judges,
    },
    live::workspace::{Ended, Workspace, entries},
};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// The value of a series, as it is written.
fn value(metrics: &str, series: &str) -> f64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in:\n{metrics}")).parse().unwrap()
}

#[test]
fn the_textfile_holds_the_last_run_and_outlives_one_that_failed() {
    let user = Workspace::new();
    let config = "apiVersion: kubeproof.dev/v1\ncluster: {name: shop-prod}\nstateDir: state\nmetrics: {textfile: node/kubeproof.prom}\n";
    user.write("kubeproof.yaml", config);
    let run = |from: &Path, now: &str| {
        let mut command = user.kubeproof();
        command.args(["run", "--config", "kubeproof.yaml", "--store", "evidence", "--from"]).arg(from);
        Ended::from(command.env("KUBEPROOF_NOW", now).output().unwrap())
    };
    let written = || fs::read_to_string(user.path("node/kubeproof.prom")).unwrap();
    run(&Path::new(EXAMPLES).join("shop-2026-10-26"), "2026-10-26T06:10:00Z").expect(0);
    let october = written();
    judges::promlint(&october).unwrap();
    assert!(!october.contains("kubeproof_drift"), "nothing to compare with");
    run(&Path::new(EXAMPLES).join("shop-2026-11-23"), "2026-11-23T06:10:00Z").expect(0);
    let november = written();
    judges::promlint(&november).unwrap();
    let mode = fs::metadata(user.path("node/kubeproof.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the node exporter is somebody else");
    assert_eq!(entries(&user.path("node")).len(), 1, "nothing unfinished stays");
    let cluster = "{cluster=\"shop-prod\"";
    for (series, expected) in [
        (format!("kubeproof_run_success{cluster}}}"), 1.0),
        (format!("kubeproof_run_timestamp_seconds{cluster}}}"), 1_795_414_200.0),
        (format!("kubeproof_evidence_log_index{cluster}}}"), 1.0),
        (format!("kubeproof_pending_bundles{cluster}}}"), 0.0),
        (format!("kubeproof_coverage_gaps{cluster},declared=\"false\"}}"), 0.0),
        (format!("kubeproof_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert_eq!(value(&november, &series), expected, "{series}");
    }
    assert!(value(&november, &format!("kubeproof_drift_findings{cluster},change=\"new\"}}")) > 0.0);
    assert!(value(&november, &format!("kubeproof_findings{cluster},severity=\"critical\",outcome=\"open\"}}")) > 0.0);

    run(&user.path("nowhere"), "2026-11-24T06:10:00Z").expect(2);
    let failed = written();
    judges::promlint(&failed).unwrap();
    assert_eq!(value(&failed, &format!("kubeproof_run_success{cluster}}}")), 0.0);
    assert_eq!(value(&failed, &format!("kubeproof_run_timestamp_seconds{cluster}}}")), 1_795_500_600.0);
    let evidence = |text: &str| -> Vec<String> {
        let kept =
            text.lines().filter(|line| !line.contains("kubeproof_run_") && !line.contains("kubeproof_build_info"));
        let mut kept: Vec<String> = kept.map(str::to_owned).collect();
        kept.sort();
        kept
    };
    assert_eq!(evidence(&failed), evidence(&november), "what was known of the evidence stays");
}

#[test]
fn a_textfile_that_cannot_be_written_fails_no_run() {
    let user = Workspace::new();
    user.write("file", "");
    user.write("kubeproof.yaml", "apiVersion: kubeproof.dev/v1\nmetrics: {textfile: file/kubeproof.prom}\n");
    let mut command = user.kubeproof();
    command.args(["run", "--config", "kubeproof.yaml", "--store", "evidence", "--from"]);
    let ended = Ended::from(command.arg(Path::new(EXAMPLES).join("shop-2026-10-26")).output().unwrap()).expect(0);
    assert!(ended.stderr.contains("cannot write metrics to "), "{}", ended.stderr);
    user.write("kubeproof.yaml", "apiVersion: kubeproof.dev/v1\nmetrics: {textfile: kubeproof.txt}\n");
    user.run(&["run", "--config", "kubeproof.yaml"]).expect(2).says("does not end in .prom");
}

/// A daemon, ended with the value.
struct Daemon {
    child: Child,
    address: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find(|line| line.contains("metrics are at http://")).expect("it says where the metrics are");
        let address = told.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        // Whoever writes to a pipe that nobody reads waits for ever.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn scrape(&self) -> String {
        let answer = self.ask("GET /metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
        judges::promlint(body).unwrap();
        body.to_owned()
    }

    /// Scrapes until a series has this value.
    fn until(&self, series: &str, wanted: f64) -> String {
        let began = Instant::now();
        loop {
            let metrics = self.scrape();
            let found = metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
            if found == Some(wanted) {
                return metrics;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "no {series} {wanted} in:\n{metrics}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A schedule that is due now, once: it was planned yesterday and may begin late.
fn due_now(user: &Workspace, id: &str) {
    user.write(&format!("schedules/{id}.yaml"), "apiVersion: kubeproof.dev/v1\ncron: 0 0 1 1 *\nlate: 9000h\n");
}

#[test]
fn the_daemon_serves_its_schedules_and_its_runs_and_remembers_them() {
    let user = Workspace::new();
    user.write(
        "kubeproof.yaml",
        "apiVersion: kubeproof.dev/v1\ncluster: {name: shop-prod}\nstateDir: state\nstores: [evidence]\n",
    );
    for id in ["daily", "weekly"] {
        due_now(&user, id);
    }
    let planned = r#"{"planned": "2020-01-01T00:00:00Z", "ended": true}"#;
    user.write("state/schedule.json", &format!("{{\"daily\": {planned}, \"weekly\": {planned}}}"));
    let start = || {
        let mut command = user.kubeproof();
        command.args(["daemon", "--config", "kubeproof.yaml", "--metrics-listen", "127.0.0.1:0", "schedules"]);
        // No cluster: a run fails, and the metrics say so.
        command.env("KUBECONFIG", user.path("none"));
        Daemon::start(&mut command)
    };
    let daemon = start();
    let metrics = daemon.until("kubeproof_schedule_runs_total{schedule=\"weekly\",result=\"failed\"}", 1.0);
    for schedule in ["daily", "weekly"] {
        let of = |name: &str| value(&metrics, &format!("kubeproof_{name}{{schedule=\"{schedule}\"}}"));
        assert!(of("schedule_missed_runs_total") >= 5.0 && of("schedule_running") == 0.0);
        assert!(of("schedule_next_run_timestamp_seconds") > of("schedule_last_run_planned_timestamp_seconds"));
        assert_eq!(
            value(&metrics, &format!("kubeproof_run_success{{cluster=\"shop-prod\",schedule=\"{schedule}\"}}")),
            0.0
        );
    }
    assert_eq!(metrics.matches("# TYPE kubeproof_run_success ").count(), 1);
    assert_eq!(metrics.matches("\nkubeproof_build_info{").count(), 1);

    assert!(daemon.ask("GET /").starts_with("HTTP/1.1 404"));
    assert!(daemon.ask("POST /metrics").starts_with("HTTP/1.1 405"));
    let head = daemon.ask("HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    drop(daemon);

    let again = start().scrape();
    assert_eq!(value(&again, "kubeproof_run_success{cluster=\"shop-prod\",schedule=\"daily\"}"), 0.0);
    assert_eq!(value(&again, "kubeproof_schedule_runs_total{schedule=\"daily\",result=\"failed\"}"), 0.0);
}

#[test]
fn the_daemon_serves_what_a_real_cluster_showed() {
    let user = Workspace::new();
    let hook = Receiver::start([Answer::status(200)]);
    let config = format!(
        "apiVersion: kubeproof.dev/v1\ncluster: {{name: live}}\nstateDir: state\nstores: [evidence]\n\
         notify: [{{url: '{}', on: always}}]\n",
        hook.url("/hook")
    );
    user.write("kubeproof.yaml", &config);
    due_now(&user, "daily");
    user.write("state/schedule.json", r#"{"daily": {"planned": "2020-01-01T00:00:00Z", "ended": true}}"#);
    let mut command = user.kubeproof();
    command.args(["daemon", "--config", "kubeproof.yaml", "--metrics-listen", "127.0.0.1:0", "schedules"]);
    let daemon = Daemon::start(command.env("KUBECONFIG", cluster().kubeconfig()));
    let metrics = daemon.until("kubeproof_schedule_runs_total{schedule=\"daily\",result=\"done\"}", 1.0);
    let of = |name: &str, labels: &str| {
        value(&metrics, &format!("kubeproof_{name}{{cluster=\"live\",schedule=\"daily\"{labels}}}"))
    };
    assert_eq!((of("run_success", ""), of("evidence_log_index", ""), of("pending_bundles", "")), (1.0, 0.0, 0.0));
    assert!(of("evidence_timestamp_seconds", "") <= of("run_timestamp_seconds", ""));
    assert!(of("snapshot_objects", "") > 50.0 && of("run_duration_seconds", "") > 0.0);
    assert!(of("checks", ",outcome=\"pass\"") > 0.0);
    let messages: Vec<serde_json::Value> = hook.received().iter().map(|message| message.json()).collect();
    let [missed, message] = messages.as_slice() else { panic!("{messages:#?}") };
    assert!(missed["error"].as_str().unwrap().contains("5 runs were missed"), "{missed:#}");
    assert_eq!(message["counts"]["objects"].as_f64().unwrap(), of("snapshot_objects", ""), "one count everywhere");
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let user = Workspace::new();
    due_now(&user, "daily");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    user.run(&["daemon", "--metrics-listen", &address, "schedules"]).expect(2).says("cannot listen at 127.0.0.1:");
    let ended = user.run(&["daemon", "--metrics-listen", "everywhere", "schedules"]).expect(2);
    assert!(ended.stderr.contains("invalid value 'everywhere' for '--metrics-listen <ADDR>'"), "{}", ended.stderr);
}

#[test]
fn the_daemon_tells_of_runs_that_cannot_speak_for_themselves() {
    let hook = Receiver::start([Answer::status(200)]);
    let user = Workspace::new();
    user.write(
        "kubeproof.yaml",
        &format!(
            "apiVersion: kubeproof.dev/v1\ncluster: {{name: shop-prod}}\nstateDir: state\nstores: [evidence]\n\
             notify:\n  - {{url: '{}', on: failure}}\n",
            hook.url("/hook")
        ),
    );
    user.write("schedules/daily.yaml", "apiVersion: kubeproof.dev/v1\ncron: 0 0 1 1 *\n");
    user.write("state/schedule.json", r#"{"daily": {"planned": "2020-01-01T00:00:00Z", "ended": false}}"#);
    let mut command = user.kubeproof();
    command.args(["daemon", "--config", "kubeproof.yaml", "--metrics-listen", "127.0.0.1:0", "schedules"]);
    let _daemon = Daemon::start(&mut command);
    let began = Instant::now();
    while hook.received().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(120), "{:?}", hook.received());
        std::thread::sleep(Duration::from_millis(50));
    }
    let told: Vec<serde_json::Value> = hook.received().iter().map(|message| message.json()).collect();
    let reasons: Vec<&str> = told.iter().map(|message| message["error"].as_str().unwrap()).collect();
    assert!(reasons[0].contains("the run of 2020-01-01T00:00:00Z was interrupted"), "{reasons:?}");
    assert!(reasons[1].contains("runs were missed, from 2021-01-01T00:00:00Z"), "{reasons:?}");
    assert!(told.iter().all(|message| message["event"] == "failure" && message["cluster"]["name"] == "shop-prod"));
}
