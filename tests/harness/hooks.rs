//! A real HTTP server on loopback that answers as it is told, and remembers what it was sent.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};
use tokio_rustls::TlsAcceptor;

use super::{install_tls, judges};

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

/// A certificate for 127.0.0.1, its key, and the authority that signed it: files in PEM.
pub struct Identity {
    pub authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// Has openssl make one in `folder`.
    pub fn make(folder: &Path) -> Self {
        let script = "\
            new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n\
            openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=authority -days 2\n\
            openssl req $new -keyout key.pem -out request.pem -subj /CN=hook\n\
            printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > extensions\n\
            openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 2 -extfile extensions -out certificate.pem";
        judges::shell(script, folder).unwrap();
        let file = |name| folder.join(name);
        Self { authority: file("ca.pem"), certificate: file("certificate.pem"), key: file("key.pem") }
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
    scheme: &'static str,
    state: Arc<Mutex<State>>,
    _stop: oneshot::Sender<Infallible>,
}

impl Receiver {
    /// Starts one that gives these answers in order, and the last one from then on.
    pub fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_with(script, None)
    }

    /// The same over TLS, with a certificate for 127.0.0.1.
    pub fn start_tls(script: impl IntoIterator<Item = Answer>, identity: &Identity) -> Self {
        install_tls();
        let chain = CertificateDer::pem_file_iter(&identity.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self::start_with(script, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start_with(script: impl IntoIterator<Item = Answer>, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
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
                    () = serve(listener, tls, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), scheme, state, _stop: stop }
    }

    /// A URL below it.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
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

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (state, tls) = (Arc::clone(&state), tls.clone());
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        tokio::spawn(async move {
            let server = http1::Builder::new();
            // A client that goes away is what some tests are about.
            match tls {
                None => drop(server.serve_connection(TokioIo::new(stream), service).await),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(server.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            }
        });
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
