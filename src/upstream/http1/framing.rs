//! Derives from a response head where the body ends and whether the connection is kept.

use std::io;

use http::{HeaderName, Method, StatusCode};

use crate::error::{Error, FailureKind};

/// How the end of a response body is marked (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum BodyLength {
    None,
    Exact(u64),
    Chunked,
    UntilClose,
}

/// The options in the `Connection` fields.
#[derive(Debug, Default)]
pub(super) struct ConnectionOptions {
    pub(super) closes: bool,
    pub(super) announces_keep_alive: bool,
    /// Hop-by-hop fields in addition to those that always are.
    pub(super) named: Vec<HeaderName>,
}

/// The framing fields of a response.
#[derive(Debug, Default)]
pub(super) struct ResponseFraming {
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
}

// === impl ConnectionOptions ===

impl ConnectionOptions {
    /// Adds the options of one field.
    pub(super) fn add(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.announces_keep_alive = true;
            } else if let Ok(name) = HeaderName::from_bytes(option) {
                self.named.push(name);
            }
        }
    }
}

// === impl ResponseFraming ===

impl ResponseFraming {
    /// Adds a `Content-Length`. Repeated lengths must be equal (RFC 9112, 6.3).
    pub(super) fn add_length(&mut self, value: &[u8]) -> Result<(), Error> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| digits);
        let number = number.and_then(|digits| digits.parse::<u64>().ok());
        // Some clients read larger numbers as negative, and nobody has as much to send.
        let Some(length) = number.filter(|&length| length <= u64::MAX >> 1) else {
            return Err(garbage("its Content-Length is not a number below 2^63"));
        };
        if self.length.is_some_and(|known| known != length) {
            return Err(garbage("it has two different Content-Length fields"));
        }
        self.length = Some(length);
        Ok(())
    }

    /// Adds a transfer coding. Only `chunked` is supported, and it may be applied only once.
    pub(super) fn add_coding(&mut self, value: &[u8]) -> Result<(), Error> {
        if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(garbage("it has a transfer coding other than chunked"));
        }
        self.chunked = true;
        Ok(())
    }

    /// Whether the server may send a body where none is allowed. Some servers send the body of a response to HEAD, or
    /// of a 204 or 304 (gunicorn up to 23 does), often a moment later. The next request on the connection would take it
    /// for its own response.
    pub(super) fn may_send_forbidden_body(&self, length: BodyLength, method: &Method) -> bool {
        let announces_none = !self.chunked && self.length == Some(0);
        let is_silent = !self.chunked && self.length.is_none() && method != Method::HEAD;
        length == BodyLength::None && !announces_none && !is_silent
    }

    /// Returns how the end of the response body is marked.
    pub(super) fn length(&self, status: StatusCode, method: &Method) -> BodyLength {
        let is_bodiless = status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || method == Method::HEAD;
        match self.length {
            _ if is_bodiless => BodyLength::None,
            _ if self.chunked => BodyLength::Chunked,
            Some(length) => BodyLength::Exact(length),
            None => BodyLength::UntilClose,
        }
    }
}

/// The error for a response that is not HTTP, or invalid; `what` says how.
pub(in crate::upstream) fn garbage(what: &'static str) -> Error {
    Error::io(FailureKind::UpstreamInvalidResponse, io::Error::other(what))
}
