//! An independent, strict reading of the responses that a client has received.

use std::str;

/// A response, or the part of it that arrived.
#[derive(Debug, Default)]
pub(super) struct FuzzResponse {
    /// 0 if its head is truncated.
    pub(super) status: u16,
    fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) is_complete: bool,
    /// Whether only the end of the connection marks its end. A truncation of such a response cannot be seen.
    pub(super) is_open_ended: bool,
    pub(super) announces_close: bool,
    /// Whether interim responses came before it.
    pub(super) has_interim: bool,
}

// === impl FuzzResponse ===

impl FuzzResponse {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(known, _)| known == name);
        let (first, second) = (named.next(), named.next());
        assert!(second.is_none(), "{name} twice");
        first.and_then(|(_, value)| str::from_utf8(value).ok())
    }

    /// Returns the number of the application's response, or `None` for a response of the server itself.
    pub(super) fn number(&self) -> Option<usize> {
        self.field("x-seq").and_then(|number| number.parse().ok())
    }
}

/// Returns all responses. `asked` gives the method of the request with this index. If there is no such request, `HEAD`
/// means that there may be no body. Interim responses without a final one are left out.
pub(super) fn read<'a>(
    mut bytes: &[u8],
    asked: impl Fn(usize) -> (&'a [u8], bool),
) -> Vec<FuzzResponse> {
    let (mut responses, mut has_interim) = (Vec::new(), false);
    while !bytes.is_empty() {
        let mut response = FuzzResponse { has_interim, ..FuzzResponse::default() };
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            assert!(b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]), "no response");
            responses.push(response);
            break;
        };
        head(&bytes[..end], &mut response);
        bytes = &bytes[end + 4..];
        if matches!(response.status, 100..=199) && response.status != 101 {
            has_interim = true;
            continue;
        }
        has_interim = false;
        let (method, is_request) = asked(responses.len());
        // A late head is answered before its method is known.
        let is_known = is_request && response.status != 408;
        let method = if is_known || bytes.is_empty() { method } else { b"" };
        bytes = body(bytes, &mut response, method);
        responses.push(response);
    }
    responses
}

fn head(head: &[u8], response: &mut FuzzResponse) {
    let text = str::from_utf8(head).expect("the head is text");
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
    let status = rest.and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok());
    response.status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a field");
        response.fields.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
    }
    response.announces_close = response.field("connection") == Some("close");
}

/// Removes a body from the bytes.
fn body<'a>(bytes: &'a [u8], response: &mut FuzzResponse, method: &[u8]) -> &'a [u8] {
    let (length, coding) = (response.field("content-length"), response.field("transfer-encoding"));
    let length = length.map(|length| length.parse::<usize>().expect("a length"));
    if response.status == 101 {
        response.is_complete = true;
        response.body = bytes.to_vec();
        return b"";
    }
    if method == b"HEAD" || matches!(response.status, 204 | 304) {
        response.is_complete = true;
        return bytes;
    }
    match (length, coding) {
        (Some(length), None) => {
            response.is_complete = bytes.len() >= length;
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            response.body = body.to_vec();
            rest
        }
        (None, Some("chunked")) => chunked(bytes, response),
        (None, None) => {
            assert!(response.announces_close, "a body without an end");
            (response.is_complete, response.is_open_ended) = (true, true);
            response.body = bytes.to_vec();
            b""
        }
        (length, coding) => panic!("ambiguous: {length:?} {coding:?}"),
    }
}

fn chunked<'a>(mut bytes: &'a [u8], response: &mut FuzzResponse) -> &'a [u8] {
    loop {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n") else { return b"" };
        let digits = str::from_utf8(&bytes[..end]).expect("digits");
        let size = usize::from_str_radix(digits, 16).expect("the size of a chunk");
        bytes = &bytes[end + 2..];
        response.body.extend_from_slice(&bytes[..size.min(bytes.len())]);
        let Some(rest) = bytes.get(size..) else { return b"" };
        if rest.len() < 2 {
            return b"";
        }
        bytes = rest.strip_prefix(b"\r\n").expect("the end of a chunk");
        if size == 0 {
            response.is_complete = true;
            return bytes;
        }
    }
}
