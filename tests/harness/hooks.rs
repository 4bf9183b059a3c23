//! A real HTTP server on loopback that answers as it is told, and remembers what it was sent.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status, headers and a body.
    Says(u16, Vec<(&'static str, String)>, &'static str),
    /// Nothing, for ever.
    Hangs,
    /// Nothing, and the connection ends.
    Closes,
}

impl Answer {
    /// A status alone, with a body that nobody should repeat.
    pub fn status(status: u16) -> Self {
        Self::Says(status, Vec::new(), "answer-zq7 secret")
    }

    /// A status with one header.
    pub fn with(status: u16, name: &'static str, value: impl Into<String>) -> Self {
        Self::Says(status, vec![(name, value.into())], "answer-zq7 secret")
    }
}

/// What the server was sent.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    received: Vec<Received>,
}

/// The server; it ends with the value.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _stop: oneshot::Sender<Infallible>,
}

impl Receiver {
    /// Starts one that gives these answers in order, and the last one from then on.
    pub fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let state = Arc::new(Mutex::new(State { script: script.into_iter().collect(), ..State::default() }));
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let (tell, address) = mpsc::channel();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = serve(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), state, _stop: stop }
    }

    /// A URL below it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        self.url("")
    }

    /// What it was sent so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }

    /// The only request that it was sent.
    pub fn only(&self) -> Received {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let next = {
        let mut state = lock(&state);
        state.received.push(Received {
            method: head.method.to_string(),
            path: head.uri.to_string(),
            headers: head.headers,
            body,
        });
        if state.script.len() > 1 { state.script.pop_front() } else { state.script.front().cloned() }
    };
    match next.expect("a script has an answer") {
        Answer::Hangs => pending().await,
        // An error of the service ends the connection without an answer.
        Answer::Closes => Err(io::Error::other("closed on purpose")),
        Answer::Says(status, headers, body) => {
            let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            Ok(response)
        }
    }
}
