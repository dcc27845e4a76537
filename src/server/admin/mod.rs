//! The admin listener: metrics, reload requests and purges. It has its own thread and runtime, so it answers while the
//! workers are busy. Nothing here is on the request path. Each connection carries one request within a fixed time. One
//! client can use only a part of the connections (`clients`), so it cannot block the others.

mod clients;
mod findings;
mod forgery_guard;

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub use self::findings::FindFaults;

use self::{clients::AdminClients, findings::FindingSource};
use crate::{
    phase::Phase,
    pipeline::{CachePurger, PURGE, PURGED_TYPE, PurgeRequest, ServersInUse},
    plan::ClientNetwork,
    telemetry::{
        LogThrottle, Metrics, exposition, plain,
        status::{self, StatusHistory, StatusReport},
    },
};

/// The time limit of a connection, from accept to close.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the response waits for a reload. A reload takes milliseconds, unless a disk hangs.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The path of reload requests.
const RELOAD_PATH: &str = "/-/reload";

static THROTTLE: LogThrottle = LogThrottle::new();

/// A reload request, with the sender for its reply.
pub type ReloadRequest = oneshot::Sender<ReloadReply>;

/// The reply to a reload request, as text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadReply {
    /// Requests begin with the new settings. The text lists the changes.
    Done(String),
    /// Nothing has changed. The text lists all errors.
    Failed(String),
    /// No reload was tried. The text says why.
    Refused(String),
}

/// The state behind the admin pages.
#[derive(Clone, Debug)]
pub struct AdminListener {
    metrics: Arc<Metrics>,
    phase: watch::Receiver<Phase>,
    reloads: mpsc::Sender<ReloadRequest>,
    purger: Arc<CachePurger>,
    servers: Arc<ServersInUse>,
    history: Arc<Mutex<StatusHistory>>,
    findings: FindingSource,
}

// === impl AdminListener ===

impl AdminListener {
    /// Shows these metrics and servers in this phase; reload requests are sent to `reloads`, purges to `purger`.
    pub fn new(
        metrics: Arc<Metrics>,
        phase: watch::Receiver<Phase>,
        reloads: mpsc::Sender<ReloadRequest>,
        purger: Arc<CachePurger>,
        servers: Arc<ServersInUse>,
    ) -> Self {
        let (history, findings) = (Arc::default(), FindingSource::default());
        Self { metrics, phase, reloads, purger, servers, history, findings }
    }

    /// Shows what `find` returns as findings about the process.
    pub fn with_findings(self, find: Box<FindFaults>) -> Self {
        Self { findings: FindingSource::new(find), ..self }
    }

    /// Serves on its own thread until the process ends. It keeps running after the client listeners have closed.
    pub fn start(self, listener: TcpListener) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => self.accept(&listener).await,
                    Err(error) => tracing::error!(%error, "cannot start the admin listener"),
                }
            });
        })?;
        Ok(())
    }

    async fn accept(self, listener: &tokio::net::TcpListener) {
        tokio::spawn(record(Arc::clone(&self.metrics), Arc::clone(&self.history)));
        let mut clients = AdminClients::default();
        loop {
            let (tcp, peer): (_, SocketAddr) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "cannot accept an admin connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let connection = tokio::spawn(self.clone().serve(tcp, peer)).abort_handle();
            if clients.enter(ClientNetwork::of(peer.ip()), connection) {
                self.metrics.process().admin.crowded.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn serve(self, tcp: TcpStream, peer: SocketAddr) {
        let metrics = Arc::clone(&self.metrics);
        let respond = tower::service_fn(move |request: Request<Incoming>| {
            let admin = self.clone();
            async move { Ok::<_, Infallible>(admin.respond(&request).await) }
        });
        let service = ServiceBuilder::new().layer(CatchPanicLayer::new()).service(respond);
        let served = http1::Builder::new()
            .keep_alive(false)
            .serve_connection(TokioIo::new(tcp), TowerToHyperService::new(service));
        match timeout(CONNECTION_TIMEOUT, served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, %peer, "admin connection failed"),
            Err(_) => {
                metrics.process().admin.slow.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%peer, "admin connection closed: client too slow");
            }
        }
    }

    async fn respond(&self, request: &Request<Incoming>) -> Response<String> {
        let (method, path) = (request.method(), request.uri().path());
        if path == RELOAD_PATH {
            return match *method == Method::POST {
                true => self.reload(request.headers()).await,
                false => not_allowed("POST"),
            };
        }
        if method.as_str() == PURGE {
            return self.purge(request);
        }
        if *method != Method::GET && *method != Method::HEAD {
            return not_allowed("GET, HEAD");
        }
        match path {
            "/metrics" => self.metrics(request.headers()),
            "/-/status" => self.status_page(request.headers()).await,
            "/" if accepts(request.headers(), "text/html") => {
                self.status_page(request.headers()).await
            }
            "/-/status.json" => json(self.status().await.json()),
            "/" => text(
                StatusCode::OK,
                "Sideman. The metrics are at /metrics, the status at /-/status; POST /-/reload with the header Sideman-Reload reloads \
                 the settings; PURGE purges the cache.\n",
            ),
            _ => text(StatusCode::NOT_FOUND, "not found; the metrics are at /metrics\n"),
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Response<String> {
        let phases = Phase::ALL.map(Phase::name);
        let phase = self.phase.borrow().name();
        let metrics = exposition::render(&self.metrics, &phases, phase);
        let (metrics, media_type) = match accepts(headers, "application/openmetrics-text") {
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

    /// Responds with the status: a page for browsers, text for other clients.
    async fn status_page(&self, headers: &HeaderMap) -> Response<String> {
        let report = self.status().await;
        let is_browser = accepts(headers, "text/html");
        let body = if is_browser { status::page(&report) } else { report.text() };
        let mut response = text(StatusCode::OK, body);
        let fields = response.headers_mut();
        if is_browser {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            fields.insert(header::CONTENT_TYPE, html);
            let policy = HeaderValue::from_static(status::PAGE_POLICY);
            fields.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        fields.insert(header::VARY, HeaderValue::from_static("Accept"));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    async fn status(&self) -> StatusReport {
        let findings = self.findings.read().await;
        let (phase, now) = (self.phase.borrow().name(), Instant::now());
        let servers = self.servers.status(now);
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        StatusReport::read(&self.metrics, &history, &servers, phase, now).with_findings(findings)
    }

    /// Purges the cache, and responds with the number of responses.
    fn purge(&self, request: &Request<Incoming>) -> Response<String> {
        let fields = request.headers();
        let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let named = fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let purge = match PurgeRequest::read(host_of(request), target, named) {
            Ok(purge) => purge,
            Err(fault) => return text(StatusCode::BAD_REQUEST, format!("{fault}\n")),
        };
        // A page whose name was made to point here can purge the pages of that name only, and there are none.
        if purge.is_of_all_sites()
            && let Some(refusal) = forgery_guard::of_host(fields)
        {
            self.metrics.process().admin.purge.fetch_add(1, Ordering::Relaxed);
            return text(StatusCode::FORBIDDEN, refusal);
        }
        let mut response =
            text(StatusCode::OK, self.purger.run(&purge, &self.metrics.process().cache));
        let media_type = HeaderValue::from_static(PURGED_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }

    /// Requests a reload and waits for the reply. The reload continues if the client disconnects.
    async fn reload(&self, fields: &HeaderMap) -> Response<String> {
        if let Some(refusal) = forgery_guard::of_reload(fields) {
            self.metrics.process().admin.reload.fetch_add(1, Ordering::Relaxed);
            if let Some(missed) = THROTTLE.should_log() {
                let reason = refusal.trim_end();
                tracing::warn!(reason, missed, "reload request refused");
            }
            return text(StatusCode::FORBIDDEN, refusal);
        }
        let (reply_sender, reply) = oneshot::channel();
        if self.reloads.try_send(reply_sender).is_err() {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many reloads are queued: try again later\n",
            );
        }
        let Ok(reply) = timeout(RELOAD_TIMEOUT, reply).await else {
            return text(
                StatusCode::ACCEPTED,
                "the reload continues in the background: its result is logged\n",
            );
        };
        match reply {
            Ok(ReloadReply::Done(what)) => text(StatusCode::OK, what),
            Ok(ReloadReply::Failed(problems)) => text(StatusCode::UNPROCESSABLE_ENTITY, problems),
            Ok(ReloadReply::Refused(why)) => text(StatusCode::SERVICE_UNAVAILABLE, why),
            Err(_) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "not reloaded: the process is shutting down\n",
            ),
        }
    }
}

/// Samples the counters for the status, until the process ends.
async fn record(metrics: Arc<Metrics>, history: Arc<Mutex<StatusHistory>>) {
    let mut interval = tokio::time::interval(StatusHistory::INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
        history.record(&metrics, Instant::now());
    }
}

/// Returns the host of a request. That of the target wins (RFC 9112, 3.2.2).
fn host_of(request: &Request<Incoming>) -> Option<&[u8]> {
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    authority.or_else(|| request.headers().get(header::HOST).map(HeaderValue::as_bytes))
}

/// Whether the client names this media type in `Accept`. Prometheus names OpenMetrics, and browsers name HTML; other
/// clients get plain text.
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().filter_map(|field| field.to_str().ok());
    ranges.flat_map(|field| field.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(wanted)
    })
}

fn not_allowed(allowed: &'static str) -> Response<String> {
    let mut response =
        text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed} is served here\n"));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn json(body: String) -> Response<String> {
    let mut response = text(StatusCode::OK, body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
