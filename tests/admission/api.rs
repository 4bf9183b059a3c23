//! Requests to the API server, many at once, with the answer as a value.

use http::{Method, Request};
use http_body_util::BodyExt;
use kube::client::{Body, Client};
use serde_json::Value;

/// What the API server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// The object, or a Status.
    pub body: Value,
}

impl Answer {
    /// A Status's message.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// The answer, which must be a success.
    pub fn expect_success(self) -> Value {
        assert!((200..300).contains(&self.code), "{}: {}", self.code, self.message());
        self.body
    }
}

/// One request.
pub async fn send(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let bytes = body.map_or_else(Vec::new, |body| serde_json::to_vec(body).expect("JSON"));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(bytes))
        .expect("a request");
    let response = client.send(request).await.unwrap_or_else(|e| panic!("{path}: {e}"));
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap_or_else(|e| panic!("{path}: {e}")).to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
    Answer { code, body }
}

/// Creates an object; one that is there already is fine.
pub async fn create(client: &Client, path: &str, object: &Value) {
    let answer = send(client, Method::POST, path, Some(object)).await;
    assert!(answer.code == 409 || (200..300).contains(&answer.code), "{path}: {}: {}", answer.code, answer.message());
}
