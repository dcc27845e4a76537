//! Sends a batch of spans, and sends it again where the specification of OTLP says so.
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>

use std::{cell::Cell, io, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use tokio::time::{Instant, sleep};

use crate::{
    compression::{After, Effort, Encoder, MadeCoding},
    outgoing::{Bounds, HttpClient, OutgoingError},
    plan::TraceSettings,
    telemetry::traces::{self, RefusedSpans, TraceCounts},
};

/// The longest response that is read: it only says which spans were refused.
const MAX_RESPONSE: usize = 64 * 1024;
/// The pause before the first retry. Each next one is twice as long, up to a maximum.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The port at which collectors speak gRPC.
const GRPC_PORT: u16 = 4317;

/// The collector, and how it has responded.
#[derive(Debug)]
pub(super) struct Delivery {
    client: HttpClient,
    settings: TraceSettings,
    is_failing: Cell<bool>,
}

/// The body of a request.
#[derive(Clone, Debug)]
struct Payload {
    bytes: Bytes,
    is_gzip: bool,
}

/// How an attempt has ended.
#[derive(Debug, PartialEq, Eq)]
enum AttemptResult {
    Sent(RefusedSpans),
    Refused(StatusCode),
    /// The same request may succeed later, but not before `after`.
    Failed {
        why: String,
        advice: &'static str,
        after: Option<Duration>,
    },
}

// === impl Delivery ===

impl Delivery {
    pub(super) fn new(client: HttpClient, settings: &TraceSettings) -> Self {
        Self { client, settings: settings.clone(), is_failing: Cell::new(false) }
    }

    /// Returns the endpoint for messages. A query may hold a key.
    pub(super) fn endpoint(&self) -> String {
        let uri = &self.settings.endpoint;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}{}", uri.scheme_str().unwrap_or_default(), uri.path())
    }

    /// Sends a body with this many spans, and counts what becomes of them.
    pub(super) async fn deliver(&self, body: Vec<u8>, spans: u64, counts: &TraceCounts) {
        let payload = Payload::new(body, self.settings.is_compressed);
        let add = |count: &std::sync::atomic::AtomicU64, spans| {
            count.fetch_add(spans, Ordering::Relaxed);
        };
        let deadline = Instant::now() + self.settings.batches.timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.attempt(payload.clone(), left.min(self.settings.timeout)).await {
                AttemptResult::Sent(refused) => {
                    add(&counts.refused, refused.count.min(spans));
                    add(&counts.sent, spans.saturating_sub(refused.count));
                    return self.on_sent(&refused);
                }
                AttemptResult::Refused(status) => {
                    add(&counts.refused, spans);
                    let advice = advice(status, payload.is_gzip);
                    return self.on_failed(&format!("the response was {status}"), advice);
                }
                AttemptResult::Failed { why, advice, after } => {
                    self.on_failed(&why, advice);
                    let wait = after.unwrap_or_else(|| jittered(pause));
                    if Instant::now() + wait >= deadline {
                        return add(&counts.failed, spans);
                    }
                    sleep(wait).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    async fn attempt(&self, payload: Payload, time: Duration) -> AttemptResult {
        let mut request = Request::new(payload.bytes);
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.settings.endpoint);
        request.headers_mut().clone_from(&self.settings.headers);
        let media_type = HeaderValue::from_static(traces::media_type(self.settings.encoding));
        request.headers_mut().insert(CONTENT_TYPE, media_type);
        if payload.is_gzip {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        match self.client.send(request, Bounds { time, max_response: MAX_RESPONSE }).await {
            Ok(response) => self.result(&response),
            Err(error) => AttemptResult::Failed {
                why: error.to_string(),
                advice: self.advice_about(&error),
                after: None,
            },
        }
    }

    fn result(&self, response: &Response<Bytes>) -> AttemptResult {
        let status = response.status();
        if status.is_success() {
            let refused = RefusedSpans::read(self.settings.encoding, response.body());
            return AttemptResult::Sent(refused);
        }
        match status.as_u16() {
            429 | 502 | 503 | 504 => AttemptResult::Failed {
                why: format!("the response was {status}"),
                advice: "see the log of the collector",
                after: retry_after(response.headers()),
            },
            _ => AttemptResult::Refused(status),
        }
    }

    fn on_sent(&self, refused: &RefusedSpans) {
        if self.is_failing.replace(false) {
            tracing::info!("traces are sent again");
        }
        // Without a number it is only a warning of the collector.
        if refused.count > 0 || !refused.reason.is_empty() {
            tracing::warn!(
                refused = refused.count,
                reason = refused.reason,
                "the collector does not accept all spans; see its reason"
            );
        }
    }

    /// Reports the first failure of a series.
    fn on_failed(&self, why: &str, advice: &str) {
        if !self.is_failing.replace(true) {
            let endpoint = self.endpoint();
            tracing::warn!(endpoint, error = why, "cannot send traces: {advice}");
        }
    }

    fn advice_about(&self, error: &OutgoingError) -> &'static str {
        if error.is_tls_alert() {
            "the collector may demand a certificate of its authority: check OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and \
             OTEL_EXPORTER_OTLP_CLIENT_KEY"
        } else if matches!(error, OutgoingError::Tls(_)) {
            "check that OTEL_EXPORTER_OTLP_CERTIFICATE names the authority of the collector's certificate, and that \
             the certificate is for the host in OTEL_EXPORTER_OTLP_ENDPOINT"
        } else if self.settings.endpoint.port_u16() == Some(GRPC_PORT) {
            "port 4317 is usually for gRPC: set OTEL_EXPORTER_OTLP_ENDPOINT to the port for HTTP, 4318"
        } else {
            "check that a collector listens at OTEL_EXPORTER_OTLP_ENDPOINT"
        }
    }
}

// === impl Payload ===

impl Payload {
    /// A body that cannot be compressed is sent as it is.
    fn new(body: Vec<u8>, is_compressed: bool) -> Self {
        match is_compressed.then(|| gzip(&body)) {
            Some(Ok(bytes)) => Self { bytes: bytes.into(), is_gzip: true },
            _ => Self { bytes: body.into(), is_gzip: false },
        }
    }
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    Encoder::new(MadeCoding::Gzip, Effort::Response)?.encode(text, After::Finish, &mut out)?;
    Ok(out)
}

fn advice(status: StatusCode, is_gzip: bool) -> &'static str {
    match status.as_u16() {
        400 | 415 if is_gzip => {
            "set OTEL_EXPORTER_OTLP_PROTOCOL to the form that the collector reads, http/protobuf or http/json, and \
             OTEL_EXPORTER_OTLP_COMPRESSION=none if it does not read gzip"
        }
        401 | 403 => "check OTEL_EXPORTER_OTLP_HEADERS",
        404 | 405 => "check the path of OTEL_EXPORTER_OTLP_ENDPOINT, to which /v1/traces is added",
        400 | 415 => {
            "set OTEL_EXPORTER_OTLP_PROTOCOL to the form that the collector reads: http/protobuf or http/json"
        }
        _ => "see the log of the collector",
    }
}

/// Returns the pause that a collector asks for. It may be longer than a batch is kept.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Returns a pause that differs between processes, so that they do not all come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_of_the_collector_are_numbers_of_seconds() {
        for (value, expected) in
            [("3", Some(3)), (" 0", Some(0)), ("-1", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn pauses_differ_a_little() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(10));
            assert!((Duration::from_secs(8)..=Duration::from_secs(12)).contains(&pause));
        }
    }
}
