//! Encodes the head of a response (RFC 9112, 4 to 6), and decides how the end of its body is marked.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};

use crate::{pipeline::ResponseHead, server::date};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Body chunks up to this size are copied behind the pending output, so that both are written in one call.
pub(super) const MAX_COPIED_CHUNK: usize = 16 * 1024;

/// How the end of a body is marked (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// There is no body.
    Nothing,
    /// By a length.
    Length(u64),
    Chunked,
    /// By the end of the connection. HTTP/1.0 has no chunked coding.
    Close,
}

/// The facts about a request that decide how its response is encoded.
#[derive(Clone, Debug)]
pub(super) struct RequestFacts {
    pub(super) method: Method,
    pub(super) version: Version,
}

/// Chooses how the end of the body is marked. `exact` is the length of the body, if known.
pub(super) fn delimiter(
    asked: &RequestFacts,
    response: &ResponseHead,
    exact: Option<u64>,
) -> Delimiter {
    let status = response.status;
    if asked.method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
    {
        return Delimiter::Nothing;
    }
    match (announced_length(response).or(exact), asked.version) {
        (Some(length), _) => Delimiter::Length(length),
        (None, Version::HTTP_10) => Delimiter::Close,
        (None, _) => Delimiter::Chunked,
    }
}

/// The value of its `Content-Length`.
fn announced_length(response: &ResponseHead) -> Option<u64> {
    let of_headers = || response.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.lines.length.or_else(of_headers)
}

/// Appends the head of a final response. Fields that are stored as lines come first; no other field has the same name
/// as one of them. `is_last` says that the connection ends after this response.
pub(super) fn encode(
    out: &mut BytesMut,
    asked: &RequestFacts,
    response: &ResponseHead,
    delimiter: Delimiter,
    (is_last, request_id): (bool, Option<&[u8]>),
) {
    let headers = &response.headers;
    let lines = &response.lines;
    let size: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    // Reserve space for a small body that follows.
    let body = match delimiter {
        Delimiter::Length(length) => {
            usize::try_from(length).ok().filter(|&it| it <= MAX_COPIED_CHUNK)
        }
        Delimiter::Nothing | Delimiter::Chunked | Delimiter::Close => None,
    };
    out.reserve(lines.as_bytes().len() + size + 200 + body.unwrap_or_default());
    out.put_slice(if asked.version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    status(out, response);
    out.put_slice(lines.as_bytes());
    // Only a chunked body has trailers (RFC 9112, 7.1.2).
    let has_trailers = delimiter == Delimiter::Chunked;
    fields(out, headers.iter().filter(|(name, _)| has_trailers || *name != header::TRAILER));
    match delimiter {
        Delimiter::Length(length)
            if lines.length.is_none() && !headers.contains_key(header::CONTENT_LENGTH) =>
        {
            out.put_slice(b"content-length: ");
            out.put_slice(itoa::Buffer::new().format(length).as_bytes());
            out.put_slice(b"\r\n");
        }
        Delimiter::Chunked => out.put_slice(b"transfer-encoding: chunked\r\n"),
        Delimiter::Nothing | Delimiter::Length(_) | Delimiter::Close => {}
    }
    if response.status != StatusCode::SWITCHING_PROTOCOLS
        && !headers.contains_key(header::CONNECTION)
    {
        if is_last {
            out.put_slice(b"connection: close\r\n");
        } else if asked.version == Version::HTTP_10 {
            out.put_slice(b"connection: keep-alive\r\n");
        }
    }
    if let Some(id) = request_id
        && !lines.has_request_id
        && !headers.contains_key(X_REQUEST_ID)
    {
        out.put_slice(b"x-request-id: ");
        out.put_slice(id);
        out.put_slice(b"\r\n");
    }
    if !lines.has_date && !headers.contains_key(header::DATE) {
        out.put_slice(b"date: ");
        date::append(out);
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

/// Appends an interim response (RFC 9110, 15.2).
pub(super) fn encode_interim(out: &mut BytesMut, response: &ResponseHead) {
    out.put_slice(b"HTTP/1.1 ");
    status(out, response);
    fields(out, response.headers.iter());
    out.put_slice(b"\r\n");
}

fn status(out: &mut BytesMut, response: &ResponseHead) {
    out.put_slice(response.status.as_str().as_bytes());
    out.put_u8(b' ');
    let usual = || response.status.canonical_reason().unwrap_or_default().as_bytes();
    out.put_slice(response.reason.as_deref().unwrap_or_else(usual));
    out.put_slice(b"\r\n");
}

fn fields<'a>(out: &mut BytesMut, fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) {
    for (name, value) in fields {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
}

/// Whether the response says that the connection ends after it.
pub(super) fn announces_close(response: &ResponseHead) -> bool {
    let value = response.headers.get(header::CONNECTION).map(HeaderValue::as_bytes);
    value.is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::{request_parts::FieldName, response_lines::ResponseLinesBuilder};

    fn parts(status: u16, fields: &[(&'static str, &'static str)]) -> ResponseHead {
        let status = StatusCode::from_u16(status).unwrap();
        let mut response = ResponseHead { status, ..ResponseHead::default() };
        for (name, value) in fields {
            response.headers.append(*name, HeaderValue::from_static(value));
        }
        response
    }

    fn asked(method: &Method, version: Version) -> RequestFacts {
        RequestFacts { method: method.clone(), version }
    }

    #[test]
    fn response_end_is_delimited() {
        use Delimiter::{Chunked, Close, Length, Nothing};
        let long = [("content-length", "5")];
        for (method, version, status, fields, exact, expected) in [
            (&Method::GET, Version::HTTP_11, 200, &long[..], None, Length(5)),
            (&Method::GET, Version::HTTP_11, 200, &[], Some(7), Length(7)),
            (&Method::GET, Version::HTTP_11, 200, &[], None, Chunked),
            (&Method::GET, Version::HTTP_10, 200, &[], None, Close),
            (&Method::GET, Version::HTTP_10, 200, &[], Some(0), Length(0)),
            (&Method::HEAD, Version::HTTP_11, 200, &long, Some(0), Nothing),
            (&Method::HEAD, Version::HTTP_11, 200, &[], None, Nothing),
            (&Method::GET, Version::HTTP_11, 204, &[], Some(0), Nothing),
            (&Method::GET, Version::HTTP_11, 304, &long, Some(0), Nothing),
            (&Method::GET, Version::HTTP_11, 101, &[], Some(0), Nothing),
        ] {
            let received = delimiter(&asked(method, version), &parts(status, fields), exact);
            assert_eq!(received, expected, "{method} {version:?} {status} {fields:?} {exact:?}");
        }
    }

    #[test]
    fn bytes_on_the_wire() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let head =
            |version, status, fields: &[(&'static str, &'static str)], delimiter, is_last| {
                let mut out = BytesMut::new();
                let asked = asked(&Method::GET, version);
                encode(&mut out, &asked, &parts(status, fields), delimiter, (is_last, None));
                String::from_utf8(out.to_vec()).unwrap()
            };
        for (version, status, fields, delimiter, is_last, expected) in [
            (
                Version::HTTP_11,
                200,
                &[("x-a", "b"), date][..],
                Delimiter::Length(5),
                false,
                "HTTP/1.1 200 OK\r\nx-a: b\r\ndate: @\r\ncontent-length: 5\r\n\r\n",
            ),
            (
                Version::HTTP_11,
                404,
                &[("content-length", "5"), date],
                Delimiter::Length(5),
                true,
                "HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\ndate: @\r\nconnection: close\r\n\r\n",
            ),
            (
                Version::HTTP_11,
                200,
                &[date],
                Delimiter::Chunked,
                false,
                "HTTP/1.1 200 OK\r\ndate: @\r\ntransfer-encoding: chunked\r\n\r\n",
            ),
            (
                Version::HTTP_10,
                299,
                &[date],
                Delimiter::Close,
                true,
                "HTTP/1.0 299 \r\ndate: @\r\nconnection: close\r\n\r\n",
            ),
            (
                Version::HTTP_10,
                204,
                &[date],
                Delimiter::Nothing,
                false,
                "HTTP/1.0 204 No Content\r\ndate: @\r\nconnection: keep-alive\r\n\r\n",
            ),
            (
                Version::HTTP_11,
                101,
                &[("connection", "upgrade"), ("upgrade", "websocket"), date],
                Delimiter::Nothing,
                false,
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 date: @\r\n\r\n",
            ),
        ] {
            let received = head(version, status, fields, delimiter, is_last);
            assert_eq!(received, expected.replace('@', date.1), "{status}");
        }
    }

    #[test]
    fn a_head_without_a_date_gets_one() {
        let mut out = BytesMut::new();
        let asked = asked(&Method::GET, Version::HTTP_11);
        encode(&mut out, &asked, &parts(200, &[]), Delimiter::Nothing, (false, Some(b"7")));
        let text = String::from_utf8(out.to_vec()).unwrap();
        let date = text.split_once("\r\ndate: ").and_then(|(_, rest)| rest.split_once("\r\n"));
        assert!(date.is_some_and(|(date, _)| date.ends_with(" GMT")), "{text}");
        assert!(text.contains("\r\nx-request-id: 7\r\n"), "{text}");
    }

    #[test]
    fn lines_that_are_ready_come_first() {
        let mut parts = parts(200, &[("x-a", "b"), ("x-request-id", "its own")]);
        let mut lines = ResponseLinesBuilder::default();
        lines.set_length(5);
        lines.push(FieldName::Other, b"vary", b"x");
        parts.lines = lines.build();
        let mut out = BytesMut::new();
        let asked = asked(&Method::GET, Version::HTTP_11);
        encode(&mut out, &asked, &parts, Delimiter::Length(5), (false, Some(b"7")));
        let expected = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nvary: x\r\nx-a: b\r\n\
                        x-request-id: its own\r\ndate: ";
        assert!(out.starts_with(expected.as_bytes()), "{out:?}");
    }
}
