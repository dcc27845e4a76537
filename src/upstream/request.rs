//! A request as the application shall get it: what a codec turns into bytes.

use http::{Method, Version};

/// The head of a request. All fields are final: codecs add only what their wire format needs.
#[derive(Debug)]
pub struct RequestHead<'a> {
    pub method: &'a Method,
    /// The request target's own bytes.
    pub target: &'a str,
    /// Names and values, `Host` included; framing fields are not among them.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
    pub origin: Origin<'a>,
}

/// Where a request came from, for protocols that say so beside the fields.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The client's address, through trusted proxies.
    pub client: &'a str,
    /// Its port, if no proxy stands between.
    pub client_port: Option<u16>,
    /// `http` or `https`, as the client knows it.
    pub scheme: &'static str,
    /// The host as the application shall know it, with its port if it has one.
    pub host: &'a [u8],
    /// The port that the client came to, as far as it is known.
    pub port: u16,
    pub version: Version,
}

/// How the end of a request's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    Chunked,
}
