//! The head of a response, and how its body is delimited (RFC 9112, section 6.3).

use super::failure::{Failure, FailureKind};

const MAX_HEADERS: usize = 128;

/// What the head of a response says about the rest.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) body: BodyLength,
    /// Whether the server keeps the connection open.
    pub(crate) keep_alive: bool,
    /// Bytes of the head itself.
    pub(crate) size: usize,
    pub(crate) server: Option<String>,
    pub(crate) location: Option<String>,
}

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Known(u64),
    Chunked,
    UntilClose,
}

/// Parses a head; `None` while it is not complete.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<ResponseHead>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(invalid(format!("not HTTP/1.1: {error}"))),
    };
    let status = response.code.unwrap_or(0);
    let values = |name: &'static str| {
        response
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let chunked = values("transfer-encoding").next_back();
    let mut lengths = values("content-length");
    let length = lengths.next();
    if lengths.any(|other| Some(other) != length) {
        return Err(invalid("it has two different Content-Length".into()));
    }
    let body = match (status, chunked, length) {
        (100..=199 | 204 | 304, ..) => BodyLength::Known(0),
        (_, Some(coding), _) if coding.to_ascii_lowercase().ends_with("chunked") => {
            BodyLength::Chunked
        }
        (_, Some(_), _) | (_, None, None) => BodyLength::UntilClose,
        (_, None, Some(length)) => match length.parse() {
            Ok(length) => BodyLength::Known(length),
            Err(_) => return Err(invalid(format!("Content-Length is `{length}`"))),
        },
    };
    let connection: Vec<String> =
        values("connection").map(|value| value.to_ascii_lowercase()).collect();
    let says =
        |word: &str| connection.iter().any(|value| value.split(',').any(|one| one.trim() == word));
    let keep_alive = match response.version {
        Some(1) => !says("close"),
        _ => says("keep-alive"),
    };
    Ok(Some(ResponseHead {
        status,
        body,
        keep_alive: keep_alive && body != BodyLength::UntilClose,
        size,
        server: values("server").next(),
        location: values("location").next(),
    }))
}

/// A response that is no HTTP.
pub(crate) fn invalid(what: String) -> Failure {
    Failure::new(FailureKind::Invalid, what)
}
