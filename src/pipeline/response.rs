//! A response as the pipeline makes it and a server writes it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{body::Body, rfc::response_lines::ResponseLines};

/// A response with its body.
#[derive(Debug)]
pub struct Response<B = Body> {
    pub head: ResponseHead,
    pub body: B,
}

/// What is said before the body.
#[derive(Debug, Default)]
pub struct ResponseHead {
    pub status: StatusCode,
    /// The reason phrase, if that is not the usual one of the status.
    pub reason: Option<Bytes>,
    /// Fields that go on as they are, over HTTP/1 alone. They come before `headers`, none of which has the name of one of
    /// them.
    pub lines: ResponseLines,
    pub headers: HeaderMap,
}

// === impl Response ===

impl<B> Response<B> {
    /// A response without fields.
    pub(super) fn new(status: StatusCode, body: B) -> Self {
        Self { head: ResponseHead { status, ..ResponseHead::default() }, body }
    }
}
