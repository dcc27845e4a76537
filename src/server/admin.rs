//! The admin listener: metrics, on a thread and runtime of its own, so that it answers while the
//! workers are busy. Nothing here is on the request path.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    runtime::Builder,
    sync::{Semaphore, watch},
};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    phase::Phase,
    pipeline::App,
    telemetry::exposition::{self, CONTENT_TYPE},
};

/// Connections served at once; scrapers need one each.
const CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the admin pages show.
#[derive(Clone, Debug)]
pub struct Admin {
    app: Arc<App>,
    phase: watch::Receiver<Phase>,
}

// === impl Admin ===

impl Admin {
    /// Shows this app in this phase.
    pub fn new(app: Arc<App>, phase: watch::Receiver<Phase>) -> Self {
        Self { app, phase }
    }

    /// Serves on a thread of its own until the process ends; outlives the traffic.
    pub fn start(self, listener: TcpListener) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => self.accept(&listener).await,
                    Err(error) => tracing::error!(%error, "the admin listener can't start"),
                }
            });
        })?;
        Ok(())
    }

    async fn accept(self, listener: &tokio::net::TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (tcp, peer): (_, SocketAddr) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "an admin connection can't be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let admin = self.clone();
            tokio::spawn(async move {
                let _place = place;
                let answer = tower::service_fn(move |request: Request<Incoming>| {
                    let response = admin.answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let service = ServiceBuilder::new().layer(CatchPanicLayer::new()).service(answer);
                let served = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(tcp), TowerToHyperService::new(service));
                if let Err(error) = served.await {
                    tracing::debug!(%error, %peer, "admin connection ended");
                }
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => {
                let phases = Phase::ALL.map(Phase::name);
                let phase = self.phase.borrow().name();
                let metrics = exposition::render(&self.app.metrics, &phases, phase);
                let mut response = text(StatusCode::OK, metrics);
                let media_type = HeaderValue::from_static(CONTENT_TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, media_type);
                response
            }
            "/" => text(StatusCode::OK, "Sideman. The metrics are at /metrics.\n"),
            _ => text(StatusCode::NOT_FOUND, "not found; the metrics are at /metrics\n"),
        }
    }
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
