//! An independent reading of requests: what a client's bytes can mean. It shares no code with the server. It is more
//! lenient about everything except where a request ends.

use std::fmt;

/// The items in the bytes of a connection, in order.
#[derive(Clone, Debug)]
pub(super) enum FuzzItem {
    /// A request with its complete body.
    Complete(FuzzRequest),
    /// A request whose body is incomplete or malformed, with the part that is there.
    Begun(FuzzRequest),
    /// No complete head, or one that does not define where its request ends.
    Unread { method: Vec<u8> },
}

#[derive(Clone, Debug, Default)]
pub(super) struct FuzzRequest {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) is_old: bool,
    is_well_formed: bool,
    /// With names in lower case.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) announces_close: bool,
    pub(super) asks_upgrade: bool,
    /// Whether the request must be accepted.
    pub(super) is_plain: bool,
    /// Where the request ends in the bytes of its connection.
    pub(super) end: usize,
}

// === impl FuzzRequest ===

impl fmt::Display for FuzzRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, target, body, .. } = self;
        let (method, target, length) = (method.escape_ascii(), target.escape_ascii(), body.len());
        write!(f, "{method} {target}")?;
        for (name, value) in &self.fields {
            write!(f, " {}: {}", name.escape_ascii(), value.escape_ascii())?;
        }
        write!(f, " with a body of {length} bytes")
    }
}

/// Where a body ends.
enum FuzzFraming {
    Length(usize),
    Chunked,
}

/// Returns all items.
pub(super) fn read(bytes: &[u8]) -> Vec<FuzzItem> {
    let (mut items, mut at) = (Vec::new(), 0);
    loop {
        match first(&bytes[at..]) {
            (None, _) => return items,
            (Some(FuzzItem::Complete(mut request)), length) => {
                at += length;
                request.end = at;
                items.push(FuzzItem::Complete(request));
            }
            (Some(last), _) => {
                items.push(last);
                return items;
            }
        }
    }
}

/// Returns the first item, and its length if it is complete.
pub(super) fn first(bytes: &[u8]) -> (Option<FuzzItem>, usize) {
    // One empty line may precede a request.
    let begin = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let rest = &bytes[begin..];
    if rest.is_empty() || bytes == b"\r" {
        return (None, 0);
    }
    let end = memchr::memmem::find(rest, b"\r\n\r\n");
    let Some((mut request, framing)) = end.and_then(|end| head(&rest[..end])) else {
        let word = rest.split(|byte| b" \r\n".contains(byte)).next().unwrap_or_default();
        return (Some(FuzzItem::Unread { method: word.to_vec() }), 0);
    };
    let body = begin + end.unwrap_or_default() + 4;
    let (data, length) = match framing {
        FuzzFraming::Length(length) => {
            let data = &bytes[body..];
            (data[..length.min(data.len())].to_vec(), (data.len() >= length).then_some(length))
        }
        FuzzFraming::Chunked => chunked(&bytes[body..]),
    };
    request.body = data;
    let coding = &bytes[body..body + length.unwrap_or_default()];
    request.is_plain = is_plain(&request) && (request.body == coding || is_plain_coding(coding));
    match length {
        Some(length) => (Some(FuzzItem::Complete(request)), body + length),
        None => (Some(FuzzItem::Begun(request)), 0),
    }
}

fn head(head: &[u8]) -> Option<(FuzzRequest, FuzzFraming)> {
    let mut lines =
        head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let ends = memchr::memmem::find_iter(head, b"\r\n").count();
    let has_bare = memchr::memchr2_iter(b'\r', b'\n', head).count() != 2 * ends;
    let mut words = lines.next()?.splitn(3, |&byte| byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let mut request = FuzzRequest {
        method: method.to_vec(),
        target: target.to_vec(),
        is_old: version == b"HTTP/1.0",
        is_well_formed: !has_bare && matches!(version, b"HTTP/1.0" | b"HTTP/1.1"),
        ..FuzzRequest::default()
    };
    for line in lines {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (line[..colon].to_ascii_lowercase(), trim(&line[colon + 1..]));
        request.fields.push((name, value.to_vec()));
    }
    let has = |name: &[u8], word: &[u8]| {
        let values = request.fields.iter().filter(|(known, _)| known == name);
        let mut words = values.flat_map(|(_, value)| value.split(|&byte| byte == b','));
        words.any(|one| one.trim_ascii().eq_ignore_ascii_case(word))
    };
    let (announces_close, keeps) =
        (has(b"connection", b"close"), has(b"connection", b"keep-alive"));
    let announces_close = announces_close || request.is_old && !keeps;
    let asks_upgrade = has(b"connection", b"upgrade") && has(b"upgrade", b"websocket");
    request.announces_close = announces_close;
    request.asks_upgrade = asks_upgrade;
    let all = |name: &[u8]| -> Vec<&[u8]> {
        let named = request.fields.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| &value[..]).collect()
    };
    let framing = match (all(b"content-length").as_slice(), all(b"transfer-encoding").as_slice()) {
        ([], []) => FuzzFraming::Length(0),
        ([digits], []) if digits.iter().all(u8::is_ascii_digit) => {
            FuzzFraming::Length(std::str::from_utf8(digits).ok()?.parse().ok()?)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => FuzzFraming::Chunked,
        _ => return None,
    };
    Some((request, framing))
}

/// Whether a request is as most clients write it, and shorter than all limits.
fn is_plain(request: &FuzzRequest) -> bool {
    let is_path = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'/';
    let is_field = |(name, value): &(Vec<u8>, Vec<u8>)| match &name[..] {
        b"host" => value == b"a",
        b"connection" => matches!(&value[..], b"close" | b"keep-alive"),
        b"content-length" => value.len() <= 5,
        b"transfer-encoding" => !request.is_old,
        _ => false,
    };
    let hosts = request.fields.iter().filter(|(name, _)| name == b"host");
    matches!(&request.method[..], b"GET" | b"HEAD" | b"POST")
        && request.target.starts_with(b"/")
        && request.target.len() <= 50
        && request.target.iter().all(is_path)
        && request.is_well_formed
        && request.fields.len() <= 6
        && request.fields.iter().all(is_field)
        && hosts.count() == 1
        && request.body.len() <= 30_000
}

/// Whether a chunked body has no extensions and no trailers.
fn is_plain_coding(mut coding: &[u8]) -> bool {
    while let Some((digits, rest)) = line(coding) {
        let is_size = (1..=4).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        if !is_size || digits.iter().all(|&digit| digit == b'0') {
            return is_size && rest == b"\r\n";
        }
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let size = usize::from_str_radix(text, 16).unwrap_or_default();
        coding = rest.get(size + 2..).unwrap_or_default();
    }
    false
}

/// Returns the data of a chunked body, and its length if it is complete.
fn chunked(bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let (mut data, mut rest) = (Vec::new(), bytes);
    let length = loop {
        let Some((line, after)) = line(rest) else { break None };
        let digits = line.split(|byte| !byte.is_ascii_hexdigit()).next().unwrap_or_default();
        let size =
            std::str::from_utf8(digits).ok().and_then(|it| usize::from_str_radix(it, 16).ok());
        let Some(size) = size else { break None };
        rest = after;
        if size == 0 {
            break trailers(rest).map(|rest| bytes.len() - rest.len());
        }
        data.extend_from_slice(&rest[..size.min(rest.len())]);
        let Some(after) = rest.get(size..).and_then(|rest| rest.strip_prefix(b"\r\n")) else {
            break None;
        };
        rest = after;
    };
    (data, length)
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Returns the bytes behind the trailers.
fn trailers(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (trailer, after) = line(rest)?;
        rest = after;
        if trailer.is_empty() {
            return Some(rest);
        }
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(bytes, b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}
