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

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
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
    plan::Plan,
    telemetry::{exposition, plain},
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
            "/metrics" => self.metrics(request.headers()),
            "/" => text(StatusCode::OK, "Sideman. The metrics are at /metrics.\n"),
            _ => text(StatusCode::NOT_FOUND, "not found; the metrics are at /metrics\n"),
        }
    }

    fn metrics(&self, asked: &HeaderMap) -> Response<String> {
        let phases = Phase::ALL.map(Phase::name);
        let phase = self.phase.borrow().name();
        let limits = limits(&self.app.plan);
        let metrics = exposition::render(&self.app.metrics, &limits, &phases, phase);
        let (metrics, media_type) = match wants_open_metrics(asked) {
            true => (metrics, exposition::CONTENT_TYPE),
            false => (plain::from_open_metrics(&metrics), plain::CONTENT_TYPE),
        };
        let mut response = text(StatusCode::OK, metrics);
        let media_type = HeaderValue::from_static(media_type);
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, media_type);
        fields.insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

/// Prometheus names it first among what it accepts; others, and people, get what all can read.
fn wants_open_metrics(asked: &HeaderMap) -> bool {
    let ranges = asked.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
    ranges.flat_map(|field| field.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/openmetrics-text")
    })
}

/// The settings that bound what metrics count, by name.
fn limits(plan: &Plan) -> Vec<(&'static str, u64)> {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let admission = plan.upstream.admission;
    let mut limits = vec![
        ("upstream.max_in_flight", count(admission.max_in_flight)),
        ("upstream.queue", count(admission.queue)),
        ("buffers.memory", plan.buffers.memory),
        ("buffers.disk", plan.buffers.disk),
        ("static.memory", plan.files.memory),
        ("static.entries", count(plan.files.entries)),
        ("media.memory", plan.media.memory),
        ("media.entries", count(plan.media.entries)),
    ];
    limits.extend(plan.tls.as_ref().map(|tls| ("tls.handshakes", count(tls.handshakes))));
    limits
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
