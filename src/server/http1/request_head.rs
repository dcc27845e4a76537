//! A request's head, from the bytes that the strict scanner has let pass to what the pipeline wants.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header, request::Parts,
};

use crate::{
    pipeline::Refusal,
    rfc::{
        fields,
        request_head::{Framing, Head},
        target,
    },
};

/// What is known of a request when its head has come.
#[derive(Debug)]
pub(super) struct RequestHead {
    pub(super) parts: Parts,
    /// The target as it came, if something of it is hidden in `parts`.
    pub(super) target: Option<Box<str>>,
    pub(super) refusal: Option<Refusal>,
    pub(super) framing: Framing,
    /// Whether the client wants to use the connection again (RFC 9112, 9.3).
    pub(super) keeps: bool,
    /// Whether it waits to be told to send the body (RFC 9110, 10.1.1).
    pub(super) expects_continue: bool,
}

/// Reads a head that the scanner has described.
pub(super) fn read(bytes: &Bytes, head: &Head) -> RequestHead {
    let (mut parts, ()) = Request::new(()).into_parts();
    let mut rest = bytes.as_ref();
    let mut line = || {
        let end = memchr::memchr(b'\n', rest)?;
        let (line, after) = rest.split_at_checked(end + 1)?;
        rest = after;
        Some(line.trim_ascii_end())
    };
    // An empty line before the request line is skipped (RFC 9112, 2.2).
    let first = line().filter(|line| !line.is_empty()).or_else(&mut line).unwrap_or_default();
    let mut words = first.split(|&byte| byte == b' ');
    parts.method = words.next().and_then(|word| Method::from_bytes(word).ok()).unwrap_or_default();
    if first.ends_with(b"HTTP/1.0") {
        parts.version = Version::HTTP_10;
    }
    let raw = words.next().unwrap_or_default();
    let target = head.hidden.as_ref().and_then(|_| std::str::from_utf8(raw).ok());
    parts.uri = uri(bytes, raw, target.is_some());
    parts.headers = HeaderMap::with_capacity(head.fields);
    while let Some(line) = line().filter(|line| !line.is_empty()) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        // The scanner has checked both.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_maybe_shared(bytes.slice_ref(value)))
        {
            // It has counted them as well.
            let _ = parts.headers.try_append(name, value);
        }
    }
    let expects = parts.headers.get(header::EXPECT).map(HeaderValue::as_bytes);
    RequestHead {
        keeps: keeps(&parts),
        expects_continue: expects.is_some_and(|it| it.eq_ignore_ascii_case(b"100-continue")),
        target: target.map(Into::into),
        refusal: None,
        framing: head.framing,
        parts,
    }
}

/// The target as `http::Uri` takes it.
fn uri(bytes: &Bytes, raw: &[u8], is_hidden: bool) -> Uri {
    let uri = if is_hidden {
        let mut shown = raw.to_vec();
        target::hide(&mut shown);
        Uri::from_maybe_shared(shown)
    } else {
        Uri::from_maybe_shared(bytes.slice_ref(raw))
    };
    // The scanner has tried it, if it is not one of the usual.
    uri.unwrap_or_else(|_| Uri::from_static("*"))
}

/// Whether the client keeps the connection: HTTP/1.1 unless it says `close`, HTTP/1.0 if it says `keep-alive`.
fn keeps(parts: &Parts) -> bool {
    let says = |option: &[u8]| {
        fields::connection_options(&parts.headers).any(|one| one.eq_ignore_ascii_case(option))
    };
    match parts.version {
        Version::HTTP_10 => says(b"keep-alive") && !says(b"close"),
        _ => !says(b"close"),
    }
}

// === impl RequestHead ===

impl RequestHead {
    /// The head of a request that goes no further. Nobody knows where it ends, so that it is the last.
    pub(super) fn refused(parts: Parts, refusal: Refusal) -> Self {
        Self {
            parts,
            target: None,
            refusal: Some(refusal),
            framing: Framing::Length(0),
            keeps: false,
            expects_continue: false,
        }
    }
}
