//! Reads a reply's head: strictly enough that nobody downstream can read it differently.

use std::{mem::MaybeUninit, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    error::{Error, Kind},
    rfc::fields,
};

/// Bytes of a reply's head, at the most; a load balancer cuts at 32 KiB.
const HEAD_LIMIT: usize = 64 * 1024;
/// Fields of a reply's head, at the most.
const FIELDS: usize = 256;

/// The head of a reply, its hop-by-hop fields already taken out.
#[derive(Debug)]
pub(in crate::upstream) struct ReplyHead {
    pub(in crate::upstream) status: StatusCode,
    pub(in crate::upstream) headers: HeaderMap,
    pub(in crate::upstream) length: BodyLength,
    /// Whether the application keeps the connection open.
    pub(in crate::upstream) keep: bool,
    /// Whether it said so in as many words.
    pub(in crate::upstream) says_keep: bool,
    /// How long it keeps the connection open while that is unused, if it said so.
    pub(in crate::upstream) keeps: Option<Duration>,
    /// Whether its body must not be waited for, however short it is.
    pub(in crate::upstream) is_prompt: bool,
}

/// How the end of a reply's body is told (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum BodyLength {
    None,
    Exact(u64),
    Chunked,
    UntilClose,
}

/// Takes a final reply's head from the buffer; `None` if it is not complete yet. Interim replies
/// are swallowed. `seen` is how much of the buffer was searched before.
pub(in crate::upstream) fn parse(
    input: &mut BytesMut,
    seen: &mut usize,
    method: &Method,
) -> Result<Option<ReplyHead>, Error> {
    loop {
        let Some(end) = head_end(input, *seen) else {
            *seen = input.len().saturating_sub(3);
            if input.len() > HEAD_LIMIT {
                return Err(Error::new(Kind::UpstreamHeadTooLarge));
            }
            return if looks_like_http(input) { Ok(None) } else { Err(garbage()) };
        };
        if end > HEAD_LIMIT {
            return Err(Error::new(Kind::UpstreamHeadTooLarge));
        }
        *seen = 0;
        let head = input.split_to(end).freeze();
        let head = parse_head(&head, method)?;
        match head.status.as_u16() {
            // No upgrade was asked for, so none can have been accepted.
            101 => return Err(garbage()),
            100..=199 => {}
            _ => return Ok(Some(head)),
        }
    }
}

/// Where the head's empty line ends. A bare LF is taken for CRLF (RFC 9112, 2.2).
fn head_end(input: &[u8], from: usize) -> Option<usize> {
    let searched = input.get(from..)?;
    memchr::memchr_iter(b'\n', searched).map(|at| from + at + 1).find_map(|line| {
        match input.get(line..)? {
            [b'\n', ..] => Some(line + 1),
            [b'\r', b'\n', ..] => Some(line + 2),
            _ => None,
        }
    })
}

/// Tells an application that talks something else at its first bytes, instead of waiting.
fn looks_like_http(input: &[u8]) -> bool {
    b"HTTP/1.".iter().zip(input).all(|(expected, byte)| expected == byte)
}

fn parse_head(head: &Bytes, method: &Method) -> Result<ReplyHead, Error> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut slots,
    );
    if !matches!(parsed, Ok(httparse::Status::Complete(_))) {
        return Err(garbage());
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(garbage)?;

    let mut headers = HeaderMap::with_capacity(response.headers.len() + 1);
    let mut framing = Framing::default();
    let mut connection = ConnectionOptions::default();
    let (mut is_prompt, mut keeps) = (false, None);
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| garbage())?;
        if name == header::CONTENT_LENGTH {
            framing.add_length(field.value)?;
        } else if name == header::TRANSFER_ENCODING {
            framing.add_coding(field.value)?;
        } else if name == header::CONNECTION {
            connection.add(field.value);
        } else if name == "keep-alive" {
            keeps = keep_alive(field.value);
        } else {
            is_prompt |= makes_prompt(&name, field.value);
        }
        if fields::is_hop_by_hop(&name) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value));
        headers.append(name, value.map_err(|_| garbage())?);
    }
    for name in connection.named {
        headers.remove(name);
    }

    let length = framing.length(status, method);
    // A reply without a body may still tell the length it would have (HEAD, 304).
    if framing.chunked {
        headers.remove(header::CONTENT_LENGTH);
    }
    // Both framings in one reply: the connection is not to be trusted with another.
    let ambiguous = framing.chunked && framing.length.is_some();
    let is_persistent = response.version == Some(1) || connection.says_keep;
    let keep = is_persistent
        && !connection.closes
        && !ambiguous
        && length != BodyLength::UntilClose
        && !framing.may_send_forbidden_body(length, method);
    let says_keep = keep && connection.says_keep;
    Ok(ReplyHead { status, headers, length, keep, says_keep, keeps, is_prompt })
}

/// The time that `Keep-Alive: timeout=5, max=100` promises (RFC 2068, 19.7.1.1, and what servers make
/// of it).
fn keep_alive(value: &[u8]) -> Option<Duration> {
    let mut parameters = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let seconds = parameters.find_map(|parameter| parameter.strip_prefix(b"timeout="))?;
    let seconds: u32 = std::str::from_utf8(seconds).ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Whether each byte is to go on when it comes; or whether another body is sent in place of this one:
/// some applications announce that one's length here, and then send nothing (django-sendfile2).
fn makes_prompt(name: &HeaderName, value: &[u8]) -> bool {
    match name.as_str() {
        "x-accel-buffering" => value.eq_ignore_ascii_case(b"no"),
        "x-accel-redirect" | "x-sendfile" => true,
        _ => false,
    }
}

/// What the `Connection` fields say.
#[derive(Debug, Default)]
struct ConnectionOptions {
    closes: bool,
    says_keep: bool,
    /// Fields that belong to the connection besides those that always do.
    named: Vec<HeaderName>,
}

#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

// === impl ConnectionOptions ===

impl ConnectionOptions {
    fn add(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.says_keep = true;
            } else if let Ok(name) = HeaderName::from_bytes(option) {
                self.named.push(name);
            }
        }
    }
}

// === impl Framing ===

impl Framing {
    /// Repeated lengths must agree (RFC 9112, 6.3).
    fn add_length(&mut self, value: &[u8]) -> Result<(), Error> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).map_err(|_| garbage())?;
        let length: u64 = text.parse().map_err(|_| garbage())?;
        if !digits || self.length.is_some_and(|known| known != length) {
            return Err(garbage());
        }
        self.length = Some(length);
        Ok(())
    }

    /// `chunked` is the one coding that is understood, and it can be applied only once.
    fn add_coding(&mut self, value: &[u8]) -> Result<(), Error> {
        if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(garbage());
        }
        self.chunked = true;
        Ok(())
    }

    /// Some servers send the body along with the answer to HEAD, or with a 204 or 304 (gunicorn
    /// up to 23 does), often a moment later: the next request on that connection would take it for
    /// its own answer.
    fn may_send_forbidden_body(&self, length: BodyLength, method: &Method) -> bool {
        let announces_none = !self.chunked && self.length == Some(0);
        let is_silent = !self.chunked && self.length.is_none() && method != Method::HEAD;
        length == BodyLength::None && !announces_none && !is_silent
    }

    fn length(&self, status: StatusCode, method: &Method) -> BodyLength {
        let is_bodiless = status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || method == Method::HEAD;
        match self.length {
            _ if is_bodiless => BodyLength::None,
            _ if self.chunked => BodyLength::Chunked,
            Some(length) => BodyLength::Exact(length),
            None => BodyLength::UntilClose,
        }
    }
}

fn garbage() -> Error {
    Error::new(Kind::UpstreamGarbage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse_bytes(bytes: &[u8], method: &Method) -> Result<Option<(ReplyHead, usize)>, Kind> {
        let mut input = BytesMut::from(bytes);
        match parse(&mut input, &mut 0, method) {
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
            ("HTTP/1.1 200 OK\r\n\r\n", 200, UntilClose, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, None, true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, None, false),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n", 304, None, true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, None, true),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, None, true),
        ];
        for (bytes, status, length, keep) in cases {
            let (head, left) = parse_bytes(bytes.as_bytes(), &Method::GET).unwrap().unwrap();
            let got = (head.status.as_u16(), head.length, head.keep, left);
            assert_eq!(got, (*status, *length, *keep, 0), "{bytes}");
        }
    }

    #[test]
    fn garbage_is_told_at_once() {
        for bytes in [
            "SSH-2.0-OpenSSH\r\n",
            "<html>",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 99 Low\r\n\r\n",
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
            let got = parse_bytes(bytes.as_bytes(), &Method::GET).map(|head| head.is_some());
            assert_eq!(got, Err(Kind::UpstreamGarbage), "{bytes}");
        }
    }

    #[test]
    fn connection_fields_go() {
        let bytes =
            b"HTTP/1.1 200 OK\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n\
                      X-Yours: 2\r\nContent-Length: 0\r\n\r\nrest";
        let (head, left) = parse_bytes(bytes, &Method::GET).unwrap().unwrap();
        let mut names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!((names, left), (vec!["content-length", "x-yours"], 4));
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
    fn a_head_has_its_bounds() {
        let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
        endless.resize(HEAD_LIMIT + 1, b'a');
        let got = parse_bytes(&endless, &Method::GET).map(|head| head.is_some());
        assert_eq!(got, Err(Kind::UpstreamHeadTooLarge));
        let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
        many.extend_from_slice("a: b\r\n".repeat(FIELDS + 1).as_bytes());
        many.extend_from_slice(b"\r\n");
        let got = parse_bytes(&many, &Method::GET).map(|head| head.is_some());
        assert_eq!(got, Err(Kind::UpstreamGarbage));
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_head(cut in 1_usize..20) {
            let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\n\r\nbody";
            let (mut input, mut seen, mut found) = (BytesMut::new(), 0, None);
            for piece in bytes.chunks(cut) {
                input.extend_from_slice(piece);
                if found.is_none() {
                    found = parse(&mut input, &mut seen, &Method::GET).unwrap();
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
