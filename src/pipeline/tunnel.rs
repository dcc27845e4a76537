//! A WebSocket connection after the upgrade: the application's 101 for the client, and the request's context until the
//! last byte. `server/tunnel.rs` carries the bytes.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{request_context::RequestContext, response::Response, status_page};
use crate::{
    body::Body,
    error::{Error, FailureKind},
    upstream::UpgradedStream,
};

/// The upstream connection of a tunnel, with the context of the request that opened it. Dropping it writes the
/// request's line in the access log.
#[derive(Debug)]
pub struct Tunnel {
    context: Box<RequestContext>,
    upgraded: Box<UpgradedStream>,
}

/// Returns the response that opens a tunnel.
pub(super) fn accept(
    context: &mut RequestContext,
    mut headers: HeaderMap,
    upgraded: UpgradedStream,
) -> Response {
    context.upgraded = Some(Box::new(upgraded));
    // Framing fields are not allowed in it (RFC 9110, 8.6).
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let mut response = Response::new(StatusCode::SWITCHING_PROTOCOLS, Body::Empty);
    response.head.headers = headers;
    response
}

// === impl Tunnel ===

impl Tunnel {
    pub(super) fn open(mut context: Box<RequestContext>, upgraded: Box<UpgradedStream>) -> Self {
        let metrics = &context.local.metrics;
        // It counts among the tunnels instead; see `RequestContext::drop`.
        metrics.in_flight.subtract(1);
        metrics.tunnels.add(1);
        metrics.tunnels_opened.add(1);
        context.is_tunnel = true;
        // A tunnel has no length that it could fail to reach.
        context.is_complete = true;
        context.release_head();
        Self { context, upgraded }
    }

    /// Returns the upstream connection.
    pub fn application(&mut self) -> &mut UpgradedStream {
        &mut self.upgraded
    }

    /// Sets the number of bytes sent to the client so far.
    pub fn set_sent(&mut self, bytes: u64) {
        self.context.bytes = bytes;
    }

    /// Records why the tunnel ended early, and logs it like an aborted response.
    pub fn fail(&mut self, kind: FailureKind) {
        status_page::report_aborted(&self.context, &Error::new(kind));
        self.context.error = Some(kind);
    }
}
