//! A request whose head did not become complete in time. hyper has no request to give then, so that
//! its answer is made and written down here; it is logged and counted like any other.

use std::{
    io::Write as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_body::Body as _;

use super::{
    client::Client,
    fields,
    finish::{self, Answer},
    local::Local,
    record::Record,
    reply,
};
use crate::{
    error::{Error, Kind},
    rfc::date,
};

/// Bytes of a target that are told of it.
const TOLD: usize = 1024;

/// The answer to a head of which so much has come, as it is to be written.
pub fn head_timeout(local: &Rc<Local>, client: Rc<Client>, begun: &[u8]) -> Vec<u8> {
    let mut record = Record::begin(Rc::clone(local), client, salvage(begun));
    let mut response = reply::failure(&mut record, &Error::new(Kind::ClientHeadTimeout));
    fields::apply(&record, &mut response);
    encode(finish::seal(record, response))
}

/// What there is of the request line, if all of it has come.
fn salvage(begun: &[u8]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    let line = begun.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.trim_ascii_end().split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next());
    let target = target.filter(|target| line.ends_with(b"\n") && target.len() <= TOLD);
    match target.map(|target| (Method::from_bytes(method), Uri::try_from(target))) {
        Some((Ok(method), Ok(uri))) => (parts.method, parts.uri) = (method, uri),
        // What the access log has for what is not known.
        Some(_) | None => {
            parts.method = Method::from_bytes(b"-").unwrap_or_default();
            parts.uri = Uri::from_static("*");
        }
    }
    parts
}

fn encode(response: Response<Answer>) -> Vec<u8> {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::with_capacity(2048);
    let mut field = |name: &HeaderName, value: &HeaderValue| {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    };
    for (name, value) in &parts.headers {
        field(name, value);
    }
    if let Ok(date) = HeaderValue::try_from(date::format(date::seconds(SystemTime::now()))) {
        field(&header::DATE, &date);
    }
    let mut head = Vec::with_capacity(bytes.len() + 64);
    let reason = parts.status.canonical_reason().unwrap_or_default();
    // Writing to memory can't fail.
    let _ = write!(head, "HTTP/1.1 {} {reason}\r\n", parts.status.as_u16());
    head.extend_from_slice(&bytes);
    head.extend_from_slice(b"\r\n");
    // A page is in memory, complete.
    let cx = &mut Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(cx) {
        head.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_request_line_is_told() {
        for (begun, method, target) in [
            ("", "-", "*"),
            ("G", "-", "*"),
            ("GET /page", "-", "*"),
            ("GET /page HTTP/1.1", "-", "*"),
            ("GET /page HTTP/1.1\r\n", "GET", "/page"),
            ("GET /page?a=b HTTP/1.1\r\nHost: exam", "GET", "/page?a=b"),
            ("HEAD / HTTP/1.1\r\nHo", "HEAD", "/"),
            ("GET\r\nHo", "-", "*"),
            ("G(T / HTTP/1.1\r\nHo", "-", "*"),
            ("POST /\u{1} HTTP/1.1\r\nHo", "-", "*"),
            ("\r\n", "-", "*"),
        ] {
            let parts = salvage(begun.as_bytes());
            assert_eq!(
                (parts.method.as_str(), &*parts.uri.to_string()),
                (method, target),
                "{begun:?}"
            );
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(TOLD));
        assert_eq!(salvage(long.as_bytes()).uri, "*");
    }
}
