//! Parses the head of a response: HTTP as in `http1::parse`, or only fields with the status among them, as in CGI (RFC
//! 3875, 6).

use bytes::{Bytes, BytesMut};
use http::StatusCode;

use crate::{
    error::{Error, FailureKind},
    rfc::token::is_token,
    upstream::http1::{
        self, MAX_HEAD, RequestSummary, ResponseHeadProgress, UpstreamResponseHead, garbage,
        head_end,
    },
};

/// Takes a final response head from the buffer. Returns `None` if it is incomplete.
pub(in crate::upstream) fn parse(
    input: &mut BytesMut,
    progress: &mut ResponseHeadProgress,
    summary: RequestSummary<'_>,
) -> Result<Option<UpstreamResponseHead>, Error> {
    // A response behind an interim response is HTTP as well, whether it arrives together with it or later.
    if progress.interim > 0 {
        return http1::parse(input, progress, summary);
    }
    match begin(input) {
        ReplyStart::StatusLine => http1::parse(input, progress, summary),
        ReplyStart::Neither => {
            Err(garbage("it begins with neither a status line nor a header field"))
        }
        ReplyStart::Field => match head_end(input, progress.searched) {
            Some(end) if end <= MAX_HEAD => {
                progress.searched = 0;
                parse_fields(&input.split_to(end).freeze(), summary)
            }
            None if input.len() <= MAX_HEAD => {
                progress.searched = input.len().saturating_sub(3);
                Ok(None)
            }
            Some(_) | None => Err(Error::new(FailureKind::UpstreamHeadTooLarge)),
        },
    }
}

/// The beginning of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyStart {
    /// A status line, or the first letters of one.
    StatusLine,
    Field,
    /// Another protocol.
    Neither,
}

/// Classifies the bytes that have arrived. A field name cannot contain the slash of `HTTP/`.
fn begin(input: &[u8]) -> ReplyStart {
    const MARK: &[u8] = b"HTTP/";
    if MARK.iter().zip(input).all(|(expected, byte)| expected == byte) {
        return ReplyStart::StatusLine;
    }
    let end = memchr::memchr(b':', input).unwrap_or(input.len());
    // A proxy removes whitespace behind a name (RFC 9112, 5.1).
    let name = input.get(..end).unwrap_or_default();
    let blanks = name.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match name.get(..end - blanks) {
        Some(name) if is_token(name) => ReplyStart::Field,
        Some(_) | None => ReplyStart::Neither,
    }
}

/// Builds a status line from `Status` and `Location`, and leaves the rest to `http1`. That parser treats the head as
/// HTTP/1.0, so the response ends with its connection.
fn parse_fields(
    fields: &Bytes,
    summary: RequestSummary<'_>,
) -> Result<Option<UpstreamResponseHead>, Error> {
    let status = status(fields)?;
    let mut head = BytesMut::with_capacity(fields.len() + status.len() + 16);
    head.extend_from_slice(b"HTTP/1.0 ");
    head.extend_from_slice(status);
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(fields);
    let head = http1::parse(&mut head, &mut ResponseHeadProgress::default(), summary)?;
    let mut head = head.ok_or_else(|| garbage("its header section has no end"))?;
    head.fields = head.fields.filtered(|name| name != b"status");
    (head.keep, head.announces_keep_alive) = (false, false);
    Ok(Some(head))
}

/// Returns the status of a head without a status line, with its reason phrase (RFC 3875, 6.3.3). The default is 200, or
/// 302 if there is only a `Location`.
fn status(fields: &[u8]) -> Result<&[u8], Error> {
    let mut location = None;
    let mut otherwise: &[u8] = b"200";
    for line in fields.split(|&byte| byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (line.get(..colon), line.get(colon + 1..));
        let name = name.unwrap_or_default().trim_ascii_end();
        if name.eq_ignore_ascii_case(b"status") {
            let value = value.unwrap_or_default().trim_ascii();
            check_code(value)?;
            if location.replace(value).is_some() {
                return Err(garbage("it has two Status fields"));
            }
        } else if name.eq_ignore_ascii_case(b"location") {
            otherwise = b"302";
        }
    }
    Ok(location.unwrap_or(otherwise))
}

/// Checks `404` or `404 Not Found`. Of the interim statuses, only `101 Switching Protocols` makes sense here.
fn check_code(value: &[u8]) -> Result<(), Error> {
    let digits = value.split(|&byte| byte == b' ').next().unwrap_or_default();
    match StatusCode::from_bytes(digits) {
        Ok(code) if code.as_u16() == 101 || (200..600).contains(&code.as_u16()) => Ok(()),
        Ok(_) | Err(_) => Err(garbage("its Status is neither 101 nor between 200 and 599")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use http::Method;

    use super::*;
    use crate::plan::{Protocol, UwsgiFlavour, UwsgiSettings};

    fn summary(method: &Method) -> RequestSummary<'_> {
        let server = UwsgiSettings { flavour: UwsgiFlavour::Uwsgi, buffer_size: 4096 };
        RequestSummary { method, protocol: Protocol::Uwsgi(server), upgrade: false, interim: None }
    }

    use crate::upstream::http1::BodyLength;

    fn parse_bytes(
        bytes: &[u8],
        method: &Method,
    ) -> Result<Option<(UpstreamResponseHead, usize)>, FailureKind> {
        let mut input = BytesMut::from(bytes);
        match parse(&mut input, &mut ResponseHeadProgress::default(), summary(method)) {
            Ok(head) => Ok(head.map(|head| (head, input.len()))),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn heads_without_a_status_line() {
        use BodyLength::{Exact, None, UntilClose};
        for (bytes, status, length) in [
            ("Status: 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Exact(5)),
            ("status: 404\r\n\r\n", 404, UntilClose),
            ("Status : 404 No Such Page\r\n\r\n", 404, UntilClose),
            ("Content-Type: a/b\nStatus: 500 Oh no\n\n", 500, UntilClose),
            ("Status:204 No Content\r\n\r\n", 204, None),
            ("Content-Type: text/plain\r\n\r\n", 200, UntilClose),
            ("Location: /a\r\nContent-Length: 0\r\n\r\n", 302, Exact(0)),
            ("Location: /a\r\nStatus: 301 Moved\r\n\r\n", 301, UntilClose),
            ("HTTPS: yes\r\n\r\n", 200, UntilClose),
            // If there is a status line, it is the one that counts.
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Exact(5)),
            ("HTTP/1.0 401 Unauthorized\r\n\r\n", 401, UntilClose),
        ] {
            let (head, left) = parse_bytes(bytes.as_bytes(), &Method::GET).unwrap().unwrap();
            assert_eq!((head.status.as_u16(), head.length, left), (status, length, 0), "{bytes}");
            assert!(head.fields.iter().all(|(name, _)| name != b"status"), "{bytes}");
        }
        let (head, left) =
            parse_bytes(b"Status: 200\r\nConnection: keep-alive\r\n\r\nbody", &Method::HEAD)
                .unwrap()
                .unwrap();
        assert_eq!(
            (head.length, head.keep, head.announces_keep_alive, left),
            (None, false, false, 4)
        );
    }

    #[test]
    fn invalid_response_is_reported_at_once() {
        for bytes in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "<html>",
            "\u{16}\u{3}\u{1}",
            "\r\n\r\n",
            ": nameless\r\n\r\n",
            "Bad Name: x\r\n\r\n",
            " folded: x\r\n\r\n",
            "Status: 200\r\nno colon\r\n\r\n",
            "Status: OK\r\n\r\n",
            "Status: \r\n\r\n",
            "Status: 20\r\n\r\n",
            "Status: 2000\r\n\r\n",
            "Status: 100 Continue\r\n\r\n",
            "Status: 101\r\n\r\n",
            "Status: 600\r\n\r\n",
            "Status: 200\r\nStatus: 200\r\n\r\n",
            "Status: 200\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "Status: 200\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
        ] {
            let received = parse_bytes(bytes.as_bytes(), &Method::GET).map(|head| head.is_some());
            assert_eq!(received, Err(FailureKind::UpstreamInvalidResponse), "{bytes:?}");
        }
    }

    #[test]
    fn a_head_has_its_bounds() {
        let mut endless = b"Status: 200\r\n".to_vec();
        endless.resize(MAX_HEAD + 1, b'a');
        let received = parse_bytes(&endless, &Method::GET).map(|head| head.is_some());
        assert_eq!(received, Err(FailureKind::UpstreamHeadTooLarge));
        endless.extend_from_slice(b": x\r\n\r\n");
        let received = parse_bytes(&endless, &Method::GET).map(|head| head.is_some());
        assert_eq!(received, Err(FailureKind::UpstreamHeadTooLarge));
        let many = "a: b\r\n".repeat(2000) + "\r\n";
        let received = parse_bytes(many.as_bytes(), &Method::GET).map(|head| head.is_some());
        assert_eq!(received, Err(FailureKind::UpstreamHeadTooLarge));
    }

    #[test]
    fn after_an_interim_response_comes_a_status_line() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\n\r\nStatus: 200\r\n\r\n";
        for length in [bytes.len(), 1] {
            let (mut input, mut progress) = (BytesMut::new(), ResponseHeadProgress::default());
            let result = bytes.chunks(length).try_for_each(|piece| {
                input.extend_from_slice(piece);
                parse(&mut input, &mut progress, summary(&Method::GET))
                    .map(|head| assert!(head.is_none()))
            });
            let kind = result.map_err(|error| error.kind());
            assert_eq!(kind, Err(FailureKind::UpstreamInvalidResponse), "in pieces of {length}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_head(cut in 1_usize..20, has_line in any::<bool>()) {
            let line = if has_line { "HTTP/1.1 203 Ok\r\n" } else { "Status: 203 Ok\r\n" };
            let bytes = format!("{line}A: b\r\nContent-Length: 4\r\n\r\nbody");
            let (mut input, mut found) = (BytesMut::new(), None);
            let mut progress = ResponseHeadProgress::default();
            for piece in bytes.as_bytes().chunks(cut) {
                input.extend_from_slice(piece);
                if found.is_none() {
                    found = parse(&mut input, &mut progress, summary(&Method::GET)).unwrap();
                }
            }
            let head = found.unwrap();
            prop_assert_eq!((head.status.as_u16(), head.length), (203, BodyLength::Exact(4)));
            prop_assert_eq!(&input[..], b"body");
        }

        #[test]
        fn never_panics(bytes in "(Status|Location|A|HTTP/1.1 |:| |2|0|\r|\n|\\PC){0,24}") {
            let _ = parse_bytes(bytes.as_bytes(), &Method::GET);
            let _ = parse_bytes(format!("Status: {bytes}\r\n\r\n").as_bytes(), &Method::GET);
        }
    }
}
