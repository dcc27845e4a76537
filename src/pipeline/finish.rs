//! The end of a request: the body that notices when the response has ended, the access log's line and the metrics.
//! Nothing else writes them.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{
    request_context::RequestContext, request_record, response::Response, status_page,
    tunnel::Tunnel,
};
use crate::{
    body::{Body, FileStream, SealedPart},
    error::{Error, FailureKind},
    plan::{RouteLog, TlsVersion},
    rfc::request_parts::FieldName,
    telemetry::{CacheOutcome, MethodLabel, RouteLabel, access_log::AccessLogLine},
    upstream::ServedBy,
};

/// A response whose body is tied to the context of its request.
#[derive(Debug)]
pub struct TrackedResponse {
    body: Body,
    /// `None` once a tunnel has it, or the request is over.
    context: Option<Box<RequestContext>>,
}

/// Returns the status of a request without a response. nginx has the same one for that.
fn unanswered() -> StatusCode {
    StatusCode::from_u16(444).unwrap_or(StatusCode::BAD_REQUEST)
}

/// Completes a response and ties the request's context to it.
pub(super) fn seal(
    mut context: Box<RequestContext>,
    response: Response,
) -> Response<TrackedResponse> {
    let Response { head, body } = response;
    context.status = Some(if context.is_unanswered { unanswered() } else { head.status });
    context.is_complete = body.is_end_stream() || context.is_unanswered;
    Response { head, body: TrackedResponse { body, context: Some(context) } }
}

// === impl TrackedResponse ===

impl TrackedResponse {
    /// Returns the tunnel that this response opens, if it does. The request's context moves to the tunnel.
    pub fn take_tunnel(&mut self) -> Option<Tunnel> {
        let upgraded = self.context.as_mut()?.upgraded.take()?;
        Some(Tunnel::open(self.context.take()?, upgraded))
    }

    /// Returns the request's id, if the server must add it to the header section.
    pub fn request_id(&self) -> Option<&[u8]> {
        let context = self.context.as_ref()?;
        context.takes_response_lines().then(|| context.request_id())
    }

    /// Whether the client gets no response: its connection is closed, or its stream reset.
    pub fn is_withheld(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.is_unanswered)
    }

    /// Whether the body is streamed as the application writes it. Such a body may pause for any time.
    pub fn streams(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.streams)
    }

    /// Takes the whole body, if it is in a sealed file that the kernel can send.
    pub fn take_sealed(&mut self) -> Option<SealedPart> {
        self.body.take_sealed()
    }

    /// Records that `bytes` of the taken body were sent; `is_all` means that nothing is left.
    pub fn on_sealed_sent(&mut self, bytes: usize, is_all: bool) {
        if let Some(context) = &mut self.context {
            context.bytes += bytes as u64;
            context.is_complete = is_all;
        }
    }

    /// Returns the body if it is a part of a file. The caller must report what it sends of it
    /// ([`on_file_sent`](Self::on_file_sent)).
    pub fn file(&mut self) -> Option<&mut FileStream> {
        if let Body::File(file) = &mut self.body { Some(file) } else { None }
    }

    /// Records that `bytes` of the file are sent, or about to be.
    pub fn on_file_sent(&mut self, bytes: usize, is_all: bool) {
        self.on_sealed_sent(bytes, is_all);
    }

    /// Records that the rest of the file cannot be sent.
    pub fn on_file_failed(&mut self, error: &Error) {
        if let Some(context) = &mut self.context {
            context.error = Some(error.kind());
            status_page::report_aborted(context, error);
        }
    }

    /// Drops the body, because the request or the status allows none.
    pub fn omit_body(&mut self) {
        self.body = Body::Empty;
        if let Some(context) = &mut self.context {
            context.is_complete = true;
        }
    }

    /// Releases the request's head once the client has the response's. A client may read the body slowly.
    pub fn release_request_head(&mut self) {
        if let Some(context) = &mut self.context {
            context.release_head();
        }
    }

    /// Ends the request just before the last bytes are written, so that it is counted before the client can know.
    pub fn finish(&mut self) {
        self.context = None;
    }

    /// Records that the connection ended before the client had the whole response.
    pub fn client_disconnected(&mut self) {
        if let Some(context) = &mut self.context {
            context.error.get_or_insert(FailureKind::ClientDisconnected);
        }
    }
}

impl HttpBody for TrackedResponse {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { body, context } = self.get_mut();
        let polled = Pin::new(&mut *body).poll_frame(cx);
        let Some(context) = context else { return polled };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                context.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                context.is_complete = frame.is_trailers() || body.is_end_stream();
            }
            Poll::Ready(Some(Err(error))) => {
                context.error = Some(error.kind());
                status_page::report_aborted(context, error);
            }
            Poll::Ready(None) => context.is_complete = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl RequestContext ===

impl Drop for RequestContext {
    fn drop(&mut self) {
        let now = Instant::now();
        // nginx logs 499 for a client that disconnects before there is a response.
        let left = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
        let status = self.status.unwrap_or(left);
        if !self.is_complete && self.error.is_none() {
            self.error = Some(FailureKind::ClientDisconnected);
        }
        let duration = now.saturating_duration_since(self.begin);
        let metrics = &self.local.metrics;
        if self.is_tunnel {
            metrics.tunnels.subtract(1);
        } else {
            metrics.in_flight.subtract(1);
            metrics.duration(self.route).observe(duration);
        }
        if let Some(outcome) = self.cache {
            metrics.cache_responses(outcome).add(1);
        }
        if let Some(kind) = self.error {
            metrics.errors(kind).add(1);
        }
        let method = MethodLabel::from(&self.parts.method);
        metrics.requests(self.route, method, status.into()).add(1);
        if self.trace.is_some() {
            request_record::record(self, status, now);
        }
        if self.local.log.is_on() && self.is_reported(status, duration) {
            self.log(status, duration);
        }
    }
}

impl RequestContext {
    /// Whether the request gets a line in the access log.
    fn is_reported(&self, status: StatusCode, duration: Duration) -> bool {
        let plan = &self.local.app.plan.log;
        if self.is_quiet {
            return plan.health;
        }
        // The duration of a tunnel is that of a connection.
        let is_slow = !self.is_tunnel && duration >= plan.slow;
        let is_error = status.is_client_error() || status.is_server_error();
        let has_failed = is_error || is_slow || self.error.is_some();
        let is_left_out = match self.policies.log {
            RouteLog::All => false,
            RouteLog::Failing => !has_failed,
            RouteLog::Off => true,
        };
        // No route applies to health checks.
        if is_left_out && self.route != RouteLabel::Health {
            return false;
        }
        if self.route == RouteLabel::Static && !has_failed && !self.local.log.is_in_sample() {
            self.local.metrics.log_sampled_out.add(1);
            return false;
        }
        true
    }

    fn log(&self, status: StatusCode, duration: Duration) {
        let headers = &self.parts.headers;
        let server = self.server.take();
        self.local.log.push(&AccessLogLine {
            client: self.client,
            method: self.parts.method.as_str(),
            host: self.host(),
            path: self.path.raw(),
            query: self.parts.query(),
            version: self.parts.version,
            tls: self.connection.tls.map(TlsVersion::name),
            status: status.as_u16(),
            bytes: self.bytes,
            bytes_in: self.received.as_ref().map_or(0, |received| received.get()),
            duration,
            queue: self.queue_wait(),
            upstream_time: self.first_byte,
            upstream: server.as_ref().map(ServedBy::name),
            route: self.route,
            cache: self.cache.map(CacheOutcome::name),
            request_id: self.request_id(),
            trace_id: self.trace_id(),
            user_agent: headers.get(FieldName::UserAgent),
            referer: headers.get(FieldName::Referer),
            error: self.error.map(FailureKind::name),
        });
    }
}
