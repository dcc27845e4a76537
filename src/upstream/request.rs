//! A request as the application shall get it: what a codec turns into bytes.

use std::{
    cell::{Cell, RefCell},
    fmt,
    sync::Arc,
    time::Duration,
};

use http::{Method, StatusCode, Version};

use super::backends::UpstreamServer;
use crate::rfc::response_lines::ResponseLines;

/// The head of a request. All fields are final: codecs add only what their wire format needs.
#[derive(Debug)]
pub struct UpstreamRequestHead<'a> {
    pub method: &'a Method,
    /// The request target's own bytes.
    pub target: &'a str,
    /// Names and values, `Host` included; framing fields are not among them.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
    pub origin: RequestOrigin<'a>,
}

/// Where a request came from, for protocols that say so beside the fields.
#[derive(Clone, Copy, Debug)]
pub struct RequestOrigin<'a> {
    /// The client's address, through trusted proxies.
    pub client: &'a str,
    /// Its port, if no proxy stands between.
    pub client_port: Option<u16>,
    /// `http` or `https`, as the client knows it.
    pub scheme: &'static str,
    /// The host as the application shall know it, with its port if it has one.
    pub host: &'a [u8],
    /// The port that the client came to, as far as it is known: the one in its `Host` before any other.
    pub port: u16,
    pub version: Version,
}

/// Gets the status and the fields of each interim response that is for the client.
pub type OnInterim<'a> = &'a dyn Fn(StatusCode, &ResponseLines);

/// What the sender of a request wants to know before it has the reply.
#[derive(Clone, Copy)]
pub struct SendNotes<'a> {
    /// How long the request waited for a place, if it had to; also if nothing comes of it.
    pub waited: &'a Cell<Option<Duration>>,
    /// Gets the server that has the request, if somebody wants to know.
    pub server: Option<&'a RefCell<Option<ServedBy>>>,
    /// Gets interim responses (RFC 9110, 15.2), if somebody wants them.
    pub interim: Option<OnInterim<'a>>,
}

/// The server that was given a request.
#[derive(Clone, Debug)]
pub struct ServedBy(pub(super) Arc<UpstreamServer>);

/// How the end of a request's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFraming {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    Chunked,
}

// === impl UpstreamRequestHead ===

impl UpstreamRequestHead<'_> {
    /// Whether the application may answer with another protocol: only then is `Upgrade` among the
    /// fields.
    pub(super) fn asks_upgrade(&self) -> bool {
        self.fields.iter().any(|(name, _)| *name == b"upgrade")
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
        write!(f, "Notes(waited: {:?})", self.waited.get())
    }
}
