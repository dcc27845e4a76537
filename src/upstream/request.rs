//! A request as the application shall get it: what a codec turns into bytes.

use http::Method;

/// The head of a request. All fields are final: codecs add only what their wire format needs.
#[derive(Debug)]
pub struct RequestHead<'a> {
    pub method: &'a Method,
    /// The request target's own bytes.
    pub target: &'a str,
    /// Names and values, `Host` included; framing fields are not among them.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
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
