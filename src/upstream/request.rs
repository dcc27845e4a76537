//! A request for the application. A codec encodes it.

use std::{
    cell::{Cell, RefCell},
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, StatusCode, Version};

use super::{backends::UpstreamServer, queue_clock::QueueClock};
use crate::{body::ClientShare, plan::Protocol, rfc::response_lines::ResponseLines};

/// The longest body that an HTTP server reads together with the head: gunicorn reads 8 KiB at first.
const SHORT_BODY: u64 = 4096;

/// The head of a request. All fields are final: codecs add only those that their wire format needs.
#[derive(Debug)]
pub struct UpstreamRequestHead<'a> {
    pub method: &'a Method,
    /// The bytes of the request target.
    pub target: &'a str,
    /// Names and values, with `Host` and without framing fields.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
    pub origin: RequestOrigin<'a>,
}

/// The origin of a request, for protocols that transfer it beside the fields.
#[derive(Clone, Copy, Debug)]
pub struct RequestOrigin<'a> {
    /// The client's address, as determined through trusted proxies.
    pub client: &'a str,
    /// The client's port, if there is no proxy in between.
    pub client_port: Option<u16>,
    /// `http` or `https`, as the client sees it.
    pub scheme: &'static str,
    /// The host for the application, with the port if there is one.
    pub host: &'a [u8],
    /// The port that the client has connected to, as far as known. The port in its `Host` comes first.
    pub port: u16,
    pub version: Version,
    /// The path below which the application is; empty if it is at `/`. It begins with `/` and does not end with one.
    pub script_name: &'a str,
}

/// Called with the status and the fields of each interim response that is for the client.
pub type OnInterim<'a> = &'a dyn Fn(StatusCode, &ResponseLines);

/// What the sender of a request needs to know before the response arrives.
#[derive(Clone, Copy)]
pub struct SendNotes<'a> {
    /// The client, if it is known.
    pub client: Option<ClientShare>,
    /// How long the request has waited for a permit, if it had to.
    pub queue: &'a QueueClock,
    /// Receives the server of the request, if the sender wants it.
    pub server: Option<&'a RefCell<Option<ServedBy>>>,
    /// Receives the times of the attempts, if the sender wants them.
    pub attempts: Option<&'a AttemptTimes>,
    pub timeouts: RequestTimeouts,
    /// Receives interim responses (RFC 9110, 15.2), if the sender wants them.
    pub interim: Option<OnInterim<'a>>,
}

/// When a request was sent.
#[derive(Clone, Debug, Default)]
pub struct AttemptTimes(Cell<Option<Attempts>>);

/// The attempts to send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// When the first one began, after the wait in the queue.
    pub first: Instant,
    pub last: Instant,
    /// Their number without the first.
    pub retries: u32,
}

/// Timeouts of one request, in place of those of its application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTimeouts {
    /// For the head of the response, and for each pause between two reads or two writes.
    pub read: Option<Duration>,
    /// From the first byte sent to the last byte of the response; `Some(None)` is no limit.
    pub total: Option<Option<Duration>>,
}

/// The server that received a request.
#[derive(Clone, Debug)]
pub struct ServedBy(pub(super) Arc<UpstreamServer>);

/// How the end of a request body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFraming {
    /// There is no body.
    None,
    /// By its length in bytes.
    Length(u64),
    Chunked,
}

// === impl UpstreamRequestHead ===

impl UpstreamRequestHead<'_> {
    /// Whether the application may switch to another protocol. Only then is `Upgrade` among the fields.
    pub(super) fn asks_upgrade(&self) -> bool {
        self.fields.iter().any(|(name, _)| *name == b"upgrade")
    }
}

// === impl AttemptTimes ===

impl AttemptTimes {
    /// Returns the attempts, if there were any.
    pub fn get(&self) -> Option<Attempts> {
        self.0.get()
    }

    /// Replaces all attempts.
    pub fn set(&self, attempts: Option<Attempts>) {
        self.0.set(attempts);
    }

    /// Adds an attempt.
    pub(super) fn begin(&self, now: Instant) {
        self.0.set(Some(match self.0.get() {
            None => Attempts { first: now, last: now, retries: 0 },
            Some(before) => Attempts { last: now, retries: before.retries + 1, ..before },
        }));
    }
}

// === impl RequestFraming ===

impl RequestFraming {
    /// Whether a worker that begins the request reads all of it at once. Only such a request shows by unread bytes that
    /// it has not begun: views read long bodies later, or never.
    pub(super) fn is_read_at_once(self, protocol: Protocol) -> bool {
        match self {
            Self::None | Self::Length(0) => true,
            Self::Length(length) => protocol == Protocol::Http1 && length <= SHORT_BODY,
            Self::Chunked => false,
        }
    }
}

// === impl ServedBy ===

impl ServedBy {
    /// Its address: `IP:PORT`, or a path.
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

// === impl SendNotes ===

impl fmt::Debug for SendNotes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notes(waited: {:?})", self.queue.waited())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{UwsgiFlavour, UwsgiSettings};

    #[test]
    fn only_short_requests_are_read_at_once() {
        let settings = UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 4096 };
        for (framing, http, uwsgi) in [
            (RequestFraming::None, true, true),
            (RequestFraming::Length(0), true, true),
            (RequestFraming::Length(4096), true, false),
            (RequestFraming::Length(4097), false, false),
            (RequestFraming::Chunked, false, false),
        ] {
            assert_eq!(framing.is_read_at_once(Protocol::Http1), http, "{framing:?}");
            assert_eq!(framing.is_read_at_once(Protocol::Uwsgi(settings)), uwsgi, "{framing:?}");
        }
    }
}
