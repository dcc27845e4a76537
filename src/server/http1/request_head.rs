//! What the loop wants to know of a request's head.

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

/// What is known of a request when its head has come.
#[derive(Debug)]
pub(super) struct ClientRequestHead {
    pub(super) parts: RequestParts,
    pub(super) refusal: Option<RequestRefusal>,
    pub(super) framing: BodyFraming,
    /// Whether the client wants to use the connection again (RFC 9112, 9.3).
    pub(super) keeps: bool,
    /// Whether it waits to be told to send the body (RFC 9110, 10.1.1).
    pub(super) expects_continue: bool,
    /// The memory of its head, if that is longer than usual.
    pub(super) room: Option<Reservation>,
}

// === impl ClientRequestHead ===

impl ClientRequestHead {
    /// A head that was scanned; `bytes` are its own.
    pub(super) fn read(bytes: BytesMut, head: ScannedHead, room: Option<Reservation>) -> Self {
        let framing = head.framing;
        let parts = head.into_parts(bytes);
        Self {
            keeps: keeps(&parts),
            expects_continue: expects_continue(&parts.headers),
            refusal: None,
            framing,
            parts,
            room,
        }
    }

    /// The head of a request that goes no further. Nobody knows where it ends, so that it is the last.
    pub(super) fn refused(parts: RequestParts, refusal: RequestRefusal) -> Self {
        Self {
            parts,
            refusal: Some(refusal),
            framing: BodyFraming::Length(0),
            keeps: false,
            expects_continue: false,
            room: None,
        }
    }
}

/// Whether one of the `Expect` fields asks for `100 Continue`.
fn expects_continue(headers: &Headers) -> bool {
    headers.get_all(FieldName::Expect).any(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

/// Whether the client keeps the connection: HTTP/1.1 unless it says `close`, HTTP/1.0 if it says `keep-alive`.
fn keeps(parts: &RequestParts) -> bool {
    let says = |option: &[u8]| {
        fields::connection_options(&parts.headers).any(|one| one.eq_ignore_ascii_case(option))
    };
    match parts.version {
        Version::HTTP_10 => says(b"keep-alive") && !says(b"close"),
        _ => !says(b"close"),
    }
}
