//! A real Kubernetes control plane with two hollow nodes.

use std::{
    fs,
    io::{BufRead, BufReader, Read as _, Seek as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock},
};

use kube::{Client, Config, config::KubeConfigOptions};
use serde::Deserialize;

use super::tools;

/// What `cluster up` says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    server: String,
    ca: PathBuf,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
}

/// A running cluster. It ends when this process does: `cluster up` watches the pipe that `child` holds open.
pub struct Cluster {
    state: State,
    child: Mutex<Child>,
}

/// The cluster that all tests share, with the example's workloads; tests stay apart by namespace, service account and
/// audit user.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start("cp-1,worker-1");
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/october");
        for manager in ["kubeadm", "kustomize-controller", "helm"] {
            cluster.apply(manager, &[&shop.join(manager)]);
        }
        cluster
    })
}

impl Cluster {
    /// Starts another cluster, with the named nodes: the first one runs the control plane.
    pub fn start(nodes: &str) -> Self {
        super::install_tls();
        // Statics are never dropped: the program keeps a folder of its own, and removes it when it ends.
        let mut log = tempfile::tempfile().expect("a log file");
        let mut child = Command::new(tools::cluster())
            .args(["up", "--nodes", nodes])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().expect("a second handle of the log"))
            .spawn()
            .expect("the test cluster starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let state = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut said = String::new();
            let _ = log.rewind().and_then(|()| log.read_to_string(&mut said));
            panic!("the test cluster did not become ready:\n{said}")
        });
        Self { state, child: Mutex::new(child) }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn server(&self) -> &str {
        &self.state.server
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.state.kubeconfig
    }

    /// A kubeconfig for a token, at `server` or where the API server really is.
    pub fn write_kubeconfig(&self, path: &Path, token: &str, server: Option<&str>) {
        let (server, ca) = (server.unwrap_or(&self.state.server), self.state.ca.display());
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: {server:?}, certificate-authority: \"{ca}\"}}}}]\n\
             users: [{{name: u, user: {{token: {token:?}}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: u}}}}]\n"
        );
        fs::write(path, config).expect("the kubeconfig is written");
    }

    /// A client for the administrator. Clients belong to the runtime that made them: one for each test.
    pub async fn client(&self) -> Client {
        self.client_of("admin-token", None).await
    }

    /// Server-side apply of files and folders as `manager`; returns when the workloads have settled.
    pub fn apply(&self, manager: &str, paths: &[&Path]) {
        self.send(&["--field-manager", manager], paths);
    }

    /// Deletes what the files name; returns when it is gone.
    pub fn delete(&self, paths: &[&Path]) {
        self.send(&["--delete"], paths);
    }

    fn send(&self, options: &[&str], paths: &[&Path]) {
        let mut apply = Command::new(tools::cluster());
        apply.arg("apply").arg("--kubeconfig").arg(&self.state.kubeconfig).args(options).args(paths);
        tools::run(&mut apply).unwrap_or_else(|e| panic!("{e}"));
    }

    /// A client for the user of a token (`alice-token`, `bob-token`), in the name of another one where that is given.
    pub async fn client_of(&self, token: &str, acting_as: Option<&str>) -> Client {
        let mut file = kube::config::Kubeconfig::read_from(&self.state.kubeconfig).expect("a kubeconfig");
        for user in file.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
            user.token = Some(token.to_owned().into());
            user.impersonate = acting_as.map(str::to_owned);
        }
        let config =
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("a configuration");
        Client::try_from(config).expect("a client")
    }

    /// The audit log: every request that ended before this call.
    pub fn audit(&self) -> Vec<AuditEvent> {
        self.audit_text().lines().map(|line| serde_json::from_str(line).expect("an audit event")).collect()
    }

    /// The lines of the audit log, whole.
    ///
    /// A request of our own, known by its user agent, is the mark: what came before it has been written.
    pub fn audit_text(&self) -> String {
        static MARKS: Mutex<u32> = Mutex::new(0);
        let mark = {
            let mut marks = MARKS.lock().expect("no test panics here");
            *marks += 1;
            format!("kubeproof-audit-mark-{marks}", marks = *marks)
        };
        let mut get = self.get("/version", &mark);
        tools::run(&mut get).expect("the API server answers");
        loop {
            let log = fs::read_to_string(&self.state.audit_log).expect("the audit log");
            if log.contains(&mark) {
                return log.rsplit_once('\n').map_or_else(String::new, |(whole, _)| format!("{whole}\n"));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// A request as the administrator, by the test cluster's own program.
    fn get(&self, path: &str, agent: &str) -> Command {
        let mut get = Command::new(tools::cluster());
        get.arg("get").arg("--kubeconfig").arg(&self.state.kubeconfig).args(["--user-agent", agent, path]);
        get
    }

    /// Ends the cluster now.
    pub fn stop(self) {
        let mut child = self.child.into_inner().expect("no test panics here");
        drop(child.stdin.take());
        child.wait().expect("the test cluster ends");
    }
}

/// The documents of a YAML file as Kubernetes itself reads them (`0400` is 256, `y` is true).
pub fn read_yaml(file: &Path) -> Vec<serde_json::Value> {
    let input = fs::File::open(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let text = tools::run(Command::new(tools::cluster()).arg("yaml").stdin(input)).unwrap_or_else(|e| panic!("{e}"));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// One line of the audit log, as far as a judge needs it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `get`, `list`, `create`, ...
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: AuditUser,
    /// What for; `None` for discovery and the like.
    pub object_ref: Option<AuditObject>,
    /// How it ended.
    pub response_status: Option<AuditStatus>,
}

/// Who asked.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditUser {
    /// `system:serviceaccount:evidence:kubeproof`; nobody for a request that was refused before it had a name.
    #[serde(default)]
    pub username: String,
}

/// What was asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditObject {
    /// Plural.
    #[serde(default)]
    pub resource: String,
}

/// How a request ended.
#[derive(Debug, Clone, Deserialize)]
pub struct AuditStatus {
    /// HTTP status.
    #[serde(default)]
    pub code: u16,
}
