//! A collector that reads OTLP's JSON and keeps the spans.

use std::{
    io::Read as _,
    sync::{Arc, Mutex},
};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{App, Request, Settings, eventually};

/// The collector, which accepts everything.
#[derive(Debug)]
pub(super) struct Collector {
    app: App,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// A span that has arrived.
#[derive(Clone, Debug)]
pub(super) struct Span(pub(super) Value);

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

// === impl Collector ===

impl Collector {
    pub(super) fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let all = Arc::clone(&spans);
        let app = App::start(move |request| {
            all.lock().unwrap().extend(spans_of(request));
            OK.to_vec()
        });
        Self { app, spans }
    }

    pub(super) fn url(&self) -> String {
        self.app.url()
    }

    /// Sideman in front of an application, with traces for this collector.
    pub(super) fn settings(&self, application: &App) -> Settings {
        traced(&application.url(), &self.url())
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits for this many spans, and returns them by their beginning.
    #[track_caller]
    pub(super) fn until(&self, count: usize) -> Vec<Span> {
        let mut spans = eventually(&format!("{count} spans"), || {
            Some(self.spans()).filter(|spans| spans.len() >= count)
        });
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans.sort_by_key(|span| (span.begin(), std::cmp::Reverse(span.end())));
        spans
    }

    /// Waits for one span and returns it.
    #[track_caller]
    pub(super) fn one(&self, what: &str, wanted: impl Fn(&Span) -> bool) -> Span {
        eventually(what, || self.spans().into_iter().find(&wanted))
    }
}

/// Sideman in front of an application, with traces for a collector in JSON.
pub(super) fn traced(application: &str, collector: &str) -> Settings {
    Settings::before(application)
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .variable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .variable("OTEL_BSP_SCHEDULE_DELAY", "20")
}

/// Returns the spans of a request to the collector, which may be compressed.
#[track_caller]
pub(super) fn spans_of(request: &Request) -> Vec<Span> {
    assert_eq!(request.head.start, "POST /v1/traces HTTP/1.1");
    assert_eq!(request.head.get("content-type"), Some("application/json"));
    let mut body = Vec::new();
    match request.head.get("content-encoding") {
        None => body.extend_from_slice(&request.body),
        Some("gzip") => drop(GzDecoder::new(&*request.body).read_to_end(&mut body).unwrap()),
        Some(other) => panic!("unknown coding {other}"),
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let scope = &body["resourceSpans"][0]["scopeSpans"][0];
    assert_eq!(scope["scope"]["name"], "sideman");
    scope["spans"].as_array().unwrap().iter().cloned().map(Span).collect()
}

// === impl Span ===

impl Span {
    #[track_caller]
    pub(super) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.text("spanId")
    }

    pub(super) fn parent(&self) -> &str {
        self.text("parentSpanId")
    }

    pub(super) fn kind(&self) -> u64 {
        self.0["kind"].as_u64().unwrap()
    }

    /// Nanoseconds since 1970.
    pub(super) fn begin(&self) -> u64 {
        self.text("startTimeUnixNano").parse().unwrap()
    }

    pub(super) fn end(&self) -> u64 {
        self.text("endTimeUnixNano").parse().unwrap()
    }

    /// An attribute as text; empty if there is none.
    pub(super) fn attribute(&self, name: &str) -> &str {
        let mut all = self.0["attributes"].as_array().unwrap().iter();
        let found = all.find(|one| one["key"] == name);
        let value = found.map(|one| &one["value"]);
        value
            .and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str()))
            .unwrap_or_default()
    }

    pub(super) fn is_error(&self) -> bool {
        self.0["status"]["code"] == 2
    }
}

pub(super) const SERVER: u64 = 2;
pub(super) const CLIENT: u64 = 3;
