//! A real S3 server.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    client::{HttpRequest, HttpRequestBody},
};
use tempfile::TempDir;

use super::{
    supervised::{Supervised, free_port, http_status},
    tools,
};

const USER: &str = "kubeproof";
const PASSWORD: &str = "kubeproof-tests";
const REGION: &str = "us-east-1";

/// A running MinIO, alone on its port and its folder.
pub struct Minio {
    address: SocketAddr,
    // Held, never read: the server and its folder live as long as this.
    _server: Mutex<Supervised>,
}

/// The MinIO that all tests share; each makes a bucket of its own.
pub fn minio() -> &'static Minio {
    static MINIO: OnceLock<Minio> = OnceLock::new();
    MINIO.get_or_init(Minio::start)
}

impl Minio {
    /// Starts another server, for tests that stop theirs.
    pub fn start() -> Self {
        // Statics are never dropped: the supervisor removes the folder.
        let folder = TempDir::with_prefix("kubeproof-minio-").expect("a temporary folder").keep();
        let (log, data) = (folder.join("log"), folder.join("data"));
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new(tools::minio());
        command.args(["server", "--quiet", "--address", &address.to_string()]).arg(&data);
        command.envs([("MINIO_ROOT_USER", USER), ("MINIO_ROOT_PASSWORD", PASSWORD)]);
        command.envs([("MINIO_UPDATE", "off"), ("MINIO_BROWSER", "off")]);
        let mut server = Supervised::start(&mut command, &log, &folder);
        server.wait(&log, || http_status(address, "/minio/health/ready") == Some(200));
        Self { address, _server: Mutex::new(server) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a user would have in the environment to reach it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT", self.endpoint()),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", USER.into()),
            ("AWS_SECRET_ACCESS_KEY", PASSWORD.into()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// Makes an empty bucket: one signed request.
    pub async fn make_bucket(&self, name: &str) {
        let credential = AwsCredential { key_id: USER.into(), secret_key: PASSWORD.into(), token: None };
        let mut request: HttpRequest = http::Request::put(format!("{}/{name}", self.endpoint()))
            .body(HttpRequestBody::from(String::new()))
            .expect("a request");
        AwsAuthorizer::new(&credential, "s3", REGION).try_authorize(&mut request, None).expect("a signature");
        let (parts, _) = request.into_parts();
        super::install_tls();
        let client = reqwest::Client::builder().build().expect("a client");
        // MinIO calls itself ready a moment before it takes requests, and answers 503 until then.
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            let put = client.put(parts.uri.to_string()).headers(parts.headers.clone());
            let status = put.send().await.expect("MinIO answers").status();
            if status != http::StatusCode::SERVICE_UNAVAILABLE || Instant::now() > give_up {
                assert!(status.is_success(), "bucket {name}: {status}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
