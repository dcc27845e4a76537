//! A response, as the pipeline makes it and a server writes it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{body::Body, rfc::response_lines::ResponseLines};

/// A response with its body.
#[derive(Debug)]
pub struct Response<B = Body> {
    pub head: ResponseHead,
    pub body: B,
}

/// The status and header fields of a response.
#[derive(Debug, Default)]
pub struct ResponseHead {
    pub status: StatusCode,
    /// The reason phrase, if it is not the usual one of the status.
    pub reason: Option<Bytes>,
    /// Lines that are forwarded unchanged, over HTTP/1 alone. They come before `headers`, which repeats none of their
    /// names.
    pub lines: ResponseLines,
    pub headers: HeaderMap,
}

// === impl Response ===

impl<B> Response<B> {
    /// Creates a response without header fields.
    pub(super) fn new(status: StatusCode, body: B) -> Self {
        Self { head: ResponseHead { status, ..ResponseHead::default() }, body }
    }
}

impl Response {
    /// Limits the body to `rate` bytes a second.
    #[must_use]
    pub(super) fn paced(self, rate: Option<u64>) -> Self {
        Self { body: self.body.paced(rate.unwrap_or(0)), ..self }
    }
}
