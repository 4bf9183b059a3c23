//! `/metrics` over HTTP, for a scraper: plain, read-only, and never in the way of a run.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE as TEXT_FORMAT;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Where the metrics are.
pub const PATH: &str = "/metrics";

/// Scrapers that are served at once.
const CONNECTIONS: usize = 16;
/// How long one may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(10);
/// How long one may stay.
const CONNECTION: Duration = Duration::from_secs(300);
/// What a failed accept (no more file descriptors) costs.
const PAUSE: Duration = Duration::from_secs(1);

/// A page that is made anew for each scrape.
pub type Page = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves `page` until it is dropped.
pub async fn serve(listener: TcpListener, page: Page) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = Arc::clone(&page);
                tokio::spawn(async move {
                    let _place = place;
                    // A scraper that goes away or dawdles is its own affair.
                    let _ = tokio::time::timeout(CONNECTION, connection(stream, page)).await;
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, page: Page) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &page);
        async move { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(method: &Method, path: &str, page: &Page) -> Response<Full<Bytes>> {
    let plain = "text/plain; charset=utf-8";
    let (status, kind, body) = match (path, method) {
        (PATH, &Method::GET | &Method::HEAD) => (StatusCode::OK, TEXT_FORMAT, page()),
        (PATH, _) => (StatusCode::METHOD_NOT_ALLOWED, plain, "metrics are read with GET\n".into()),
        _ => (StatusCode::NOT_FOUND, plain, format!("metrics are at {PATH}\n")),
    };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    answer
}
