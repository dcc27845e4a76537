//! The parts of a request's head that the connection loop needs.

use std::time::Instant;

use bytes::BytesMut;
use http::Version;

use crate::{
    body::Reservation,
    pipeline::RequestRefusal,
    rfc::{
        fields,
        request_head::{BodyFraming, ScannedHead},
        request_parts::{FieldName, Headers, RequestParts},
    },
};

/// A request whose head has arrived.
#[derive(Debug)]
pub(super) struct ClientRequestHead {
    pub(super) parts: RequestParts,
    /// When its first byte arrived; `None` if all of it arrived at once.
    pub(super) begun: Option<Instant>,
    pub(super) refusal: Option<RequestRefusal>,
    pub(super) framing: BodyFraming,
    /// Whether the client wants to reuse the connection (RFC 9112, 9.3).
    pub(super) keeps: bool,
    /// Whether it waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    pub(super) expects_continue: bool,
    /// The reserved memory of the head, if the head is longer than usual.
    pub(super) reservation: Option<Reservation>,
}

// === impl ClientRequestHead ===

impl ClientRequestHead {
    /// Converts a scanned head. `bytes` are the bytes of the head only.
    pub(super) fn read(
        bytes: BytesMut,
        head: ScannedHead,
        (begun, reservation): (Option<Instant>, Option<Reservation>),
    ) -> Self {
        let framing = head.framing;
        let parts = head.into_parts(bytes);
        Self {
            keeps: keeps(&parts),
            expects_continue: expects_continue(&parts.headers),
            refusal: None,
            framing,
            parts,
            begun,
            reservation,
        }
    }

    /// Creates a request that is refused. The end of its head or body is unknown, so it is the last on its connection.
    pub(super) fn refused(parts: RequestParts, refusal: RequestRefusal) -> Self {
        Self {
            parts,
            begun: None,
            refusal: Some(refusal),
            framing: BodyFraming::Length(0),
            keeps: false,
            expects_continue: false,
            reservation: None,
        }
    }
}

/// Whether one of the `Expect` fields asks for `100 Continue`.
fn expects_continue(headers: &Headers) -> bool {
    headers.get_all(FieldName::Expect).any(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

/// Whether the client keeps the connection: in HTTP/1.1 unless it says `close`, in HTTP/1.0 only if it says
/// `keep-alive`.
fn keeps(parts: &RequestParts) -> bool {
    let has_option = |option: &[u8]| {
        fields::connection_options(&parts.headers).any(|one| one.eq_ignore_ascii_case(option))
    };
    match parts.version {
        Version::HTTP_10 => has_option(b"keep-alive") && !has_option(b"close"),
        _ => !has_option(b"close"),
    }
}
