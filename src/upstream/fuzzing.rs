//! Targets of [`crate::fuzzing`]: response heads. No field that belongs to the connection may pass the parsers, and
//! nothing that two readers could understand differently. The result must not depend on the number of pieces in which a
//! head arrives.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

use bytes::BytesMut;
use http::{HeaderMap, Method, StatusCode, header};

use super::{
    http1::{self, BodyLength, RequestSummary, ResponseHeadProgress, UpstreamResponseHead},
    uwsgi,
};
use crate::{
    error::{Error, FailureKind},
    fuzz_input,
    plan::{Protocol, UwsgiFlavour, UwsgiSettings},
    rfc::{fields, response_lines::ResponseLines},
};

const UWSGI: Protocol =
    Protocol::Uwsgi(UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 65_535 });

type Parse = fn(
    &mut BytesMut,
    &mut ResponseHeadProgress,
    RequestSummary<'_>,
) -> Result<Option<UpstreamResponseHead>, Error>;

/// The comparable parts of a head, and the bytes behind it.
#[derive(Debug, PartialEq, Eq)]
struct ParsedReply {
    status: StatusCode,
    headers: HeaderMap,
    length: BodyLength,
    keep: bool,
    rest: Vec<u8>,
}

/// Tests the response of an application that speaks HTTP.
pub fn reply_http1(data: &[u8]) {
    reply(data, http1::parse, Protocol::Http1);
}

/// Tests the response of an application that speaks uwsgi.
pub fn reply_uwsgi(data: &[u8]) {
    reply(data, uwsgi::parse, UWSGI);
    if !data.starts_with(b"HTTP/") {
        let summary =
            RequestSummary { method: &Method::GET, protocol: UWSGI, upgrade: false, interim: None };
        if let Ok(Some(head)) =
            uwsgi::parse(&mut BytesMut::from(data), &mut ResponseHeadProgress::default(), summary)
        {
            assert!(
                !head.keep && !head.announces_keep_alive,
                "a reply without a version is the last one"
            );
            assert!(head.fields.iter().all(|(name, _)| name != b"status"));
        }
    }
}

fn reply(data: &[u8], parse: Parse, protocol: Protocol) {
    for (method, upgrade) in [(Method::GET, false), (Method::HEAD, false), (Method::GET, true)] {
        let summary = RequestSummary { method: &method, protocol, upgrade, interim: None };
        let cuts = fuzz_input::cuts(data);
        let outcomes: Vec<_> = cuts.iter().map(|cut| run(cut, parse, summary)).collect();
        for outcome in &outcomes {
            match (&outcomes[0], outcome) {
                // Which of several faults is found first depends on the bytes that have arrived.
                (Err(_), Err(_)) => {}
                (whole, cut) => assert_eq!(whole, cut, "cuts make a difference"),
            }
        }
        if let Ok(Some(seen)) = &outcomes[0] {
            relayed(seen, &method, upgrade);
        }
    }
}

fn run(
    pieces: &[&[u8]],
    parse: Parse,
    summary: RequestSummary<'_>,
) -> Result<Option<ParsedReply>, FailureKind> {
    let (mut buffer, mut found) = (BytesMut::new(), None);
    let mut progress = ResponseHeadProgress::default();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if found.is_none() {
            found = parse(&mut buffer, &mut progress, summary).map_err(|error| error.kind())?;
            assert!(progress.searched <= buffer.len());
        }
    }
    Ok(found.map(|head| {
        assert!(head.keep || !head.announces_keep_alive);
        let UpstreamResponseHead { status, fields, announced, length, keep, .. } = head;
        let mut headers = fields.to_map();
        headers.extend(announced.map(|names| (Some(header::TRAILER), names)));
        assert_eq!(ResponseLines::from(&headers).length, fields.length, "lengths agree");
        ParsedReply { status, headers, length, keep, rest: buffer.to_vec() }
    }))
}

/// Checks what is passed on to the client.
fn relayed(seen: &ParsedReply, method: &Method, upgrade: bool) {
    let ParsedReply { status, headers, length, keep, rest: _ } = seen;
    assert!(status.as_u16() >= 200 || (status.as_u16() == 101 && upgrade), "{status}");
    for (name, value) in headers {
        let is_trailer = name == header::TRAILER && *length == BodyLength::Chunked;
        assert!(is_trailer || !fields::is_hop_by_hop(name), "{name} goes on");
        assert!(
            !value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "{value:?}"
        );
    }
    let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
    match length {
        BodyLength::Exact(exact) => {
            let is_same = |text: &&http::HeaderValue| {
                text.to_str().is_ok_and(|text| text.parse() == Ok(*exact))
            };
            assert!(lengths.iter().all(is_same), "{lengths:?} for {exact}");
        }
        BodyLength::Chunked => assert!(lengths.is_empty()),
        BodyLength::UntilClose => assert!(lengths.is_empty() && !keep),
        BodyLength::None => {}
    }
    let is_bodiless = method == Method::HEAD || matches!(status.as_u16(), 101 | 204 | 304);
    assert_eq!(is_bodiless, *length == BodyLength::None);
    if status.as_u16() == 101 {
        assert!(!keep);
    }
}
