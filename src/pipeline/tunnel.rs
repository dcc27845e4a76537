//! A connection that speaks WebSocket from now on: the application's 101 for the client, and what is
//! known of the request until the last byte. `server/tunnel.rs` carries the bytes.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{request_context::RequestContext, response::Response, status_page};
use crate::{
    body::Body,
    error::{Error, FailureKind},
    upstream::UpgradedStream,
};

/// The application's side of a tunnel, with the record of the request that opened it: its line is
/// written when this is dropped.
#[derive(Debug)]
pub struct Tunnel {
    context: Box<RequestContext>,
    upgraded: Box<UpgradedStream>,
}

/// The answer that opens a tunnel.
pub(super) fn accept(
    context: &mut RequestContext,
    mut headers: HeaderMap,
    upgraded: UpgradedStream,
) -> Response {
    context.upgraded = Some(Box::new(upgraded));
    // Framing fields have no place in it (RFC 9110, 8.6).
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
        // It takes a place among the tunnels instead; see `RequestContext::drop`.
        metrics.in_flight.subtract(1);
        metrics.tunnels.add(1);
        metrics.tunnels_opened.add(1);
        context.is_tunnel = true;
        // However it ends, it has no length that it could miss.
        context.is_complete = true;
        context.release_head();
        Self { context, upgraded }
    }

    /// The application's end.
    pub fn application(&mut self) -> &mut UpgradedStream {
        &mut self.upgraded
    }

    /// How much the client was sent by now.
    pub fn set_sent(&mut self, bytes: u64) {
        self.context.bytes = bytes;
    }

    /// Notes what ended it before its time, and logs it as for a response that breaks off.
    pub fn fail(&mut self, kind: FailureKind) {
        status_page::report_aborted(&self.context, &Error::new(kind));
        self.context.error = Some(kind);
    }
}
