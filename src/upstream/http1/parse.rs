//! Parses the head of a response, so strictly that no recipient can read it differently.

use std::{io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode};

use super::framing::{BodyLength, ConnectionOptions, ResponseFraming, garbage};
use crate::{
    error::{Error, FailureKind},
    plan::Protocol,
    rfc::{
        fields,
        request_parts::FieldName,
        response_head,
        response_lines::{ResponseLines, ResponseLinesBuilder},
        trailers, upgrade,
    },
    upstream::request::OnInterim,
};

/// The most bytes of a response head. A load balancer limits heads to 32 KiB.
pub(in crate::upstream) const MAX_HEAD: usize = 64 * 1024;
/// The most fields of a response head.
const MAX_FIELDS: usize = 1024;
/// The most interim responses before the final one. An application that sends an endless series of them is not working.
const MAX_INTERIM: usize = 1000;

/// The head of a response without its hop-by-hop fields.
#[derive(Debug)]
pub(in crate::upstream) struct UpstreamResponseHead {
    pub(in crate::upstream) status: StatusCode,
    /// Its reason phrase, if it differs from the usual one of the status.
    pub(in crate::upstream) reason: Option<Bytes>,
    pub(in crate::upstream) fields: ResponseLines,
    /// The names of the trailers that may be passed on, if it announces any.
    pub(in crate::upstream) announced: Option<HeaderValue>,
    /// Whether some of its fields are for the server in front of the application, and not for the client.
    pub(in crate::upstream) has_directives: bool,
    pub(in crate::upstream) length: BodyLength,
    /// Whether the application keeps the connection open.
    pub(in crate::upstream) keep: bool,
    /// Whether it announces keep-alive explicitly.
    pub(in crate::upstream) announces_keep_alive: bool,
    /// How long it keeps an idle connection open, if announced.
    pub(in crate::upstream) keeps: Option<Duration>,
    /// Whether its body must be passed on at once, however short it is.
    pub(in crate::upstream) is_prompt: bool,
    /// Whether it is a stream without a definite end.
    pub(in crate::upstream) is_event_stream: bool,
    /// Whether it names WebSocket as the protocol to switch to.
    names_websocket: bool,
}

/// The progress of parsing a response head.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::upstream) struct ResponseHeadProgress {
    /// Bytes of the buffer that were searched for the end of the head.
    pub(in crate::upstream) searched: usize,
    /// Interim responses before this one.
    pub(in crate::upstream) interim: usize,
}

/// The facts about the request that decide how its response is parsed.
#[derive(Clone, Copy)]
pub(in crate::upstream) struct RequestSummary<'a> {
    pub(in crate::upstream) method: &'a Method,
    pub(in crate::upstream) protocol: Protocol,
    /// Whether the request asks for WebSocket.
    pub(in crate::upstream) upgrade: bool,
    /// Receives interim responses, if the sender wants them.
    pub(in crate::upstream) interim: Option<OnInterim<'a>>,
}

/// Takes a final response head from the buffer. Returns `None` if it is incomplete. Interim responses are passed to
/// `interim` (RFC 9110, 15.2), except `100 Continue`, which is for this connection only.
pub(in crate::upstream) fn parse(
    input: &mut BytesMut,
    progress: &mut ResponseHeadProgress,
    summary: RequestSummary<'_>,
) -> Result<Option<UpstreamResponseHead>, Error> {
    loop {
        // Checked before the end of the head is searched, so that the result does not depend on how many pieces it
        // arrives in.
        if !looks_like_http(input) {
            return Err(garbage("it is not HTTP"));
        }
        let Some(end) = head_end(input, progress.searched) else {
            progress.searched = input.len().saturating_sub(3);
            if input.len() > MAX_HEAD {
                return Err(Error::new(FailureKind::UpstreamHeadTooLarge));
            }
            return Ok(None);
        };
        if end > MAX_HEAD {
            return Err(Error::new(FailureKind::UpstreamHeadTooLarge));
        }
        progress.searched = 0;
        let head = parse_head(input.get(..end).unwrap_or_default(), summary.method)?;
        input.advance(end);
        match head.status.as_u16() {
            // Whatever the result, the connection speaks no HTTP any more.
            101 if summary.upgrade && head.names_websocket => {
                return Ok(Some(UpstreamResponseHead {
                    keep: false,
                    announces_keep_alive: false,
                    ..head
                }));
            }
            101 => return Err(garbage("it switches to a protocol that was not requested")),
            100 => {}
            102..=199 => {
                if let Some(on_interim) = summary.interim {
                    on_interim(head.status, &head.fields);
                }
            }
            _ => return Ok(Some(head)),
        }
        progress.interim += 1;
        if progress.interim > MAX_INTERIM {
            return Err(garbage("it has more than 1000 interim responses"));
        }
    }
}

/// Returns the end of the head's empty line. A bare LF is accepted as CRLF (RFC 9112, 2.2).
pub(in crate::upstream) fn head_end(input: &[u8], from: usize) -> Option<usize> {
    let searched = input.get(from..)?;
    memchr::memchr_iter(b'\n', searched).map(|at| from + at + 1).find_map(|line| {
        match input.get(line..)? {
            [b'\n', ..] => Some(line + 1),
            [b'\r', b'\n', ..] => Some(line + 2),
            _ => None,
        }
    })
}

/// Detects an application that speaks another protocol from its first bytes, instead of waiting.
fn looks_like_http(input: &[u8]) -> bool {
    b"HTTP/1.".iter().zip(input).all(|(expected, byte)| expected == byte)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most names are listed because they are common")]
fn parse_head(head: &[u8], method: &Method) -> Result<UpstreamResponseHead, Error> {
    let (line, lines) = response_head::split(head)
        .ok_or_else(|| garbage("its status line or a header field is malformed"))?;
    // Other codes have no meaning for clients and caches (RFC 9110, 15).
    let code = Some(line.code).filter(|code| (100..600).contains(code));
    let status = code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| garbage("its status is not between 100 and 599"))?;
    let is_usual = line.reason.is_empty() || Some(line.reason) == status.canonical_reason();
    let reason = (!is_usual).then(|| Bytes::copy_from_slice(line.reason.as_bytes()));

    let mut fields = ResponseLinesBuilder::with_capacity(head.len());
    let mut framing = ResponseFraming::default();
    let mut connection = ConnectionOptions::default();
    let (mut is_prompt, mut is_event_stream, mut names_websocket) = (false, false, false);
    let (mut has_directives, mut keeps, mut announced) = (false, None, Vec::new());
    for (count, line) in lines.enumerate() {
        if count == MAX_FIELDS {
            let text = format!("it has more than {MAX_FIELDS} header fields");
            return Err(Error::io(FailureKind::UpstreamHeadTooLarge, io::Error::other(text)));
        }
        let (name, value) = response_head::field(line)
            .ok_or_else(|| garbage("its status line or a header field is malformed"))?;
        let known = FieldName::of(name);
        match known {
            FieldName::ContentLength => {
                // A repeated field is passed on once (RFC 9110, 8.6).
                framing.add_length(value)?;
                continue;
            }
            FieldName::TransferEncoding => framing.add_coding(value)?,
            FieldName::Connection => connection.add(value),
            FieldName::ContentType => is_event_stream = is_events(value),
            FieldName::KeepAlive => keeps = keep_alive(value),
            FieldName::Upgrade => names_websocket |= upgrade::lists_websocket(value),
            FieldName::Trailer => announced.push(value),
            FieldName::Other if is_directive(name) => {
                has_directives = true;
                is_prompt |= makes_prompt(name, value);
            }
            _ => {}
        }
        if !fields::is_hop_by_hop_name(known) {
            fields.push_line(known, (name, value), line);
        }
    }

    let length = framing.length(status, method);
    // A response without a body may announce the length that the body would have (HEAD, 304), but a 204 may not (RFC
    // 9110, 8.6).
    if let Some(length) = framing.length
        && !framing.chunked
        && status != StatusCode::NO_CONTENT
    {
        fields.set_length(length);
    }
    let mut fields = fields.build();
    if !connection.named.is_empty() {
        let named = &connection.named;
        fields = fields.filtered(|name| named.iter().all(|one| one.as_str().as_bytes() != name));
    }
    let announced = match length {
        BodyLength::Chunked => trailers::announced(&announced),
        BodyLength::None | BodyLength::Exact(_) | BodyLength::UntilClose => None,
    };
    // Both framings in one response, or chunks in HTTP/1.0, which has none: the connection must not be reused (RFC
    // 9112, 6.1).
    let ambiguous = framing.chunked && (framing.length.is_some() || !line.is_http11);
    let is_persistent = line.is_http11 || connection.announces_keep_alive;
    let keep = is_persistent
        && !connection.closes
        && !ambiguous
        && length != BodyLength::UntilClose
        && !framing.may_send_forbidden_body(length, method);
    let announces_keep_alive = keep && connection.announces_keep_alive;
    Ok(UpstreamResponseHead {
        status,
        reason,
        fields,
        announced,
        has_directives,
        length,
        keep,
        announces_keep_alive,
        keeps,
        is_prompt,
        is_event_stream,
        names_websocket,
    })
}

/// Returns the time in `Keep-Alive: timeout=5, max=100` (RFC 2068, 19.7.1.1, and the practice of servers).
fn keep_alive(value: &[u8]) -> Option<Duration> {
    let mut parameters = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let seconds = parameters.find_map(|parameter| parameter.strip_prefix(b"timeout="))?;
    let seconds: u32 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

fn is_events(media_type: &[u8]) -> bool {
    let essence = media_type.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// Whether a field is for the server in front of the application. No client gets it.
fn is_directive(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-accel-";
    [&b"x-sendfile"[..], b"sideman-cache-control"].iter().any(|one| name.eq_ignore_ascii_case(one))
        || name.get(..PREFIX.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(PREFIX))
}

/// Whether this field requires that each byte is passed on when it arrives. This also holds if another body replaces
/// this one: some applications announce the length of the other body here, and then send nothing (django-sendfile2).
fn makes_prompt(name: &[u8], value: &[u8]) -> bool {
    if name.eq_ignore_ascii_case(b"x-accel-buffering") {
        return value.eq_ignore_ascii_case(b"no");
    }
    name.eq_ignore_ascii_case(b"x-accel-redirect") || name.eq_ignore_ascii_case(b"x-sendfile")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(method: &Method) -> RequestSummary<'_> {
        RequestSummary { method, protocol: Protocol::Http1, upgrade: false, interim: None }
    }

    fn parse_bytes(
        bytes: &[u8],
        method: &Method,
    ) -> Result<Option<(UpstreamResponseHead, usize)>, FailureKind> {
        let mut input = BytesMut::from(bytes);
        match parse(&mut input, &mut ResponseHeadProgress::default(), plain(method)) {
            Ok(head) => Ok(head.map(|head| (head, input.len()))),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn lengths_and_reuse() {
        use BodyLength::{Chunked, Exact, None, UntilClose};
        let cases: &[(&str, u16, BodyLength, bool)] = &[
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Exact(5), true),
            ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", 200, Exact(5), true),
            ("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", 200, Exact(5), true),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                200,
                Exact(5),
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n",
                200,
                Exact(5),
                false,
            ),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Exact(5), false),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
                200,
                Exact(5),
                true,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, Chunked, true),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
                200,
                Chunked,
                false,
            ),
            // HTTP/1.0 has no chunks.
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
                200,
                Chunked,
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n",
                200,
                Exact(u64::MAX >> 1),
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", 200, UntilClose, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, None, true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, None, false),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n", 304, None, true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, None, true),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, None, true),
        ];
        for (bytes, status, length, keep) in cases {
            let (head, left) = parse_bytes(bytes.as_bytes(), &Method::GET).unwrap().unwrap();
            let received = (head.status.as_u16(), head.length, head.keep, left);
            assert_eq!(received, (*status, *length, *keep, 0), "{bytes}");
        }
    }

    #[test]
    fn invalid_response_is_reported_at_once() {
        for bytes in [
            "SSH-2.0-OpenSSH\r\n",
            "<html>",
            "HTTP/2.0 200 OK\r\n\r\n",
            // Byte by byte, this was always refused.
            "\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 99 Low\r\n\r\n",
            "HTTP/1.1 099 Low\r\n\r\n",
            "HTTP/1.1 600 High\r\n\r\n",
            "HTTP/1.1 999 Highest\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        ] {
            let received = parse_bytes(bytes.as_bytes(), &Method::GET).map(|head| head.is_some());
            assert_eq!(received, Err(FailureKind::UpstreamInvalidResponse), "{bytes}");
        }
    }

    #[test]
    fn connection_fields_are_removed() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\
                      X-Yours: 2\r\nContent-Length: 0\r\n\r\nrest";
        let (head, left) = parse_bytes(bytes, &Method::GET).unwrap().unwrap();
        assert_eq!(head.fields.as_bytes(), b"x-yours: 2\r\ncontent-length: 0\r\n");
        assert_eq!((head.fields.length, left), (Some(0), 4));
    }

    #[test]
    fn who_does_not_wait_for_a_body() {
        for (field, expected) in [
            ("X-Accel-Buffering: no", true),
            ("x-accel-buffering: NO", true),
            ("X-Accel-Buffering: yes", false),
            ("X-Accel-Redirect: /a", true),
            ("X-Sendfile: /a", true),
            ("X-Accel-Expires: 5", false),
            ("X-Other: no", false),
        ] {
            let bytes = format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 5\r\n\r\n");
            let (head, _) = parse_bytes(bytes.as_bytes(), &Method::GET).unwrap().unwrap();
            assert_eq!(head.is_prompt, expected, "{field}");
        }
    }

    #[test]
    fn another_protocol_is_what_was_asked_for() {
        for (fields, upgrade, expected) in [
            ("Upgrade: websocket\r\n", true, Ok(101)),
            ("Connection: Upgrade\r\nUpgrade: WebSocket\r\n", true, Ok(101)),
            ("Upgrade: websocket\r\n", false, Err(FailureKind::UpstreamInvalidResponse)),
            ("Upgrade: h2c\r\n", true, Err(FailureKind::UpstreamInvalidResponse)),
            ("", true, Err(FailureKind::UpstreamInvalidResponse)),
        ] {
            let bytes = format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nearly");
            let mut input = BytesMut::from(bytes.as_bytes());
            let summary = RequestSummary {
                method: &Method::GET,
                protocol: Protocol::Http1,
                upgrade,
                interim: None,
            };
            let received = parse(&mut input, &mut ResponseHeadProgress::default(), summary);
            let received = received.map(Option::unwrap).map_err(|error| error.kind());
            assert!(received.as_ref().map_or(true, |head| !head.keep), "{fields:?}");
            let received = received.map(|head| head.status.as_u16());
            assert_eq!(received, expected, "{fields:?}");
            if received.is_ok() {
                assert!(&input[..] == b"early", "{input:?}");
            }
        }
    }

    #[test]
    fn interim_responses_are_given_in_order() {
        let given = std::cell::RefCell::new(Vec::new());
        let on_interim = |status: StatusCode, fields: &ResponseLines| {
            let has_link = fields.iter().any(|(name, _)| name == b"link");
            given.borrow_mut().push((status.as_u16(), has_link));
        };
        let bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n\
                     HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Mine\r\nLink: b\r\n\r\n\
                     HTTP/1.1 204 No Content\r\n\r\n";
        let mut input = BytesMut::from(bytes);
        let summary = RequestSummary { interim: Some(&on_interim), ..plain(&Method::GET) };
        let head =
            parse(&mut input, &mut ResponseHeadProgress::default(), summary).unwrap().unwrap();
        assert_eq!(head.status.as_u16(), 204);
        assert_eq!(given.take(), [(103, true), (102, false), (199, true)]);
    }

    #[test]
    fn interim_responses_have_an_end() {
        let interim = "HTTP/1.1 102 Processing\r\n\r\n";
        let last = "HTTP/1.1 204 No Content\r\n\r\n";
        let bytes = interim.repeat(MAX_INTERIM) + last;
        assert!(parse_bytes(bytes.as_bytes(), &Method::GET).is_ok());
        let bytes = interim.repeat(MAX_INTERIM + 1) + last;
        let received = parse_bytes(bytes.as_bytes(), &Method::GET).map(|head| head.is_some());
        assert_eq!(received, Err(FailureKind::UpstreamInvalidResponse));
    }

    #[test]
    fn reason_phrases_of_its_own_are_kept() {
        for (line, reason) in [
            ("200 OK", None),
            ("200 ", None),
            ("200", None),
            ("200 All Right", Some("All Right")),
            ("404 No Such Page", Some("No Such Page")),
            ("299 OK", Some("OK")),
        ] {
            let bytes = format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n");
            let (head, _) = parse_bytes(bytes.as_bytes(), &Method::GET).unwrap().unwrap();
            assert_eq!(head.reason.as_deref(), reason.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn space_behind_a_name_is_no_part_of_it() {
        let bytes = b"HTTP/1.1 200 OK\r\nX-A : 1\r\nContent-Length \t: 5\r\n\r\n";
        let (head, _) = parse_bytes(bytes, &Method::GET).unwrap().unwrap();
        assert_eq!(
            (head.fields.as_bytes(), head.length),
            (&b"x-a: 1\r\ncontent-length: 5\r\n"[..], BodyLength::Exact(5))
        );
    }

    #[test]
    fn trailers_are_announced_only_with_chunks() {
        for (framing, expected) in
            [("Transfer-Encoding: chunked", Some("x-sum")), ("Content-Length: 5", None)]
        {
            let bytes =
                format!("HTTP/1.1 200 OK\r\nTrailer: X-Sum, Content-Length\r\n{framing}\r\n\r\n");
            let (head, _) = parse_bytes(bytes.as_bytes(), &Method::GET).unwrap().unwrap();
            let names = head.announced.as_ref().map(HeaderValue::as_bytes);
            assert_eq!(names, expected.map(str::as_bytes), "{framing}");
        }
    }

    #[test]
    fn a_head_has_its_bounds() {
        let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
        endless.resize(MAX_HEAD + 1, b'a');
        let received = parse_bytes(&endless, &Method::GET).map(|head| head.is_some());
        assert_eq!(received, Err(FailureKind::UpstreamHeadTooLarge));
        let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
        many.extend_from_slice("a: b\r\n".repeat(MAX_FIELDS + 1).as_bytes());
        many.extend_from_slice(b"\r\n");
        let received = parse_bytes(&many, &Method::GET).map(|head| head.is_some());
        assert_eq!(received, Err(FailureKind::UpstreamHeadTooLarge));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_head(cut in 1_usize..20) {
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\n\r\nbody";
            let (mut input, mut found) = (BytesMut::new(), None);
            let mut progress = ResponseHeadProgress::default();
            for piece in bytes.chunks(cut) {
                input.extend_from_slice(piece);
                if found.is_none() {
                    found = parse(&mut input, &mut progress, plain(&Method::GET)).unwrap();
                }
            }
            prop_assert_eq!(found.unwrap().length, BodyLength::Exact(4));
            prop_assert_eq!(&input[..], b"body");
        }

        #[test]
        fn never_panics(tail in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
            bytes.extend_from_slice(&tail);
            bytes.extend_from_slice(b"\r\n\r\n");
            let _ = parse_bytes(&bytes, &Method::GET);
        }
    }
}
