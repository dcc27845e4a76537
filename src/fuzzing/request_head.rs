//! Heads of requests. What the scanner lets pass, httparse must read in the same way, and so must a reader that only
//! splits lines; and it makes no difference in how many pieces a head comes.

use bytes::BytesMut;

use crate::fuzz_input as input;
use crate::rfc::{
    request_head::{BodyFraming, HeadFault, HeadLimits, HeadScanner, ScannedHead, recover},
    request_parts::FieldName,
    target,
};

/// As a server may have them, and so small that short inputs reach them.
const LIMITS: [HeadLimits; 2] = [
    HeadLimits { line: 8192, field: 16_384, head: 32_768, fields: 100 },
    HeadLimits { line: 24, field: 24, head: 96, fields: 3 },
];

/// Tests one head.
pub fn check(data: &[u8]) {
    for limits in &LIMITS {
        let mut outcomes = Vec::new();
        for cut in input::cuts(data) {
            outcomes.push(scan(&cut, limits));
        }
        for outcome in &outcomes {
            match (&outcomes[0], outcome) {
                // Which of several faults is found first depends on the bytes that have arrived.
                (Err(_), Err(_)) => {}
                (whole, cut) => assert_eq!(whole, cut, "cuts make a difference"),
            }
        }
        if let Ok(Some(head)) = &outcomes[0] {
            accepted(&data[..head.length], head, limits);
        }
    }
    let (method, target, fields) = recover(data);
    assert!(!method.is_empty() && method.is_ascii(), "method {method:?}");
    assert!(target == "*" || target.starts_with('/'), "target {target:?}");
    for (name, value) in fields {
        assert!(!name.is_empty() && name.is_ascii());
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

fn scan(pieces: &[&[u8]], limits: &HeadLimits) -> Result<Option<ScannedHead>, HeadFault> {
    let (mut scanner, mut come) = (HeadScanner::default(), Vec::new());
    for piece in pieces {
        come.extend_from_slice(piece);
        if let Some(head) = scanner.scan(&come, limits)? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// An accepted head has only one meaning for every reader.
fn accepted(bytes: &[u8], head: &ScannedHead, limits: &HeadLimits) {
    let text = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r\n\r\n").expect("an empty line at its end");
    let mut lines =
        text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let start = lines.next().unwrap_or_default();
    let words: Vec<&[u8]> = start.split(|&byte| byte == b' ').collect();
    let [method, path, version] = words.as_slice() else { panic!("a request line of three words") };
    let fields: Vec<(&[u8], &[u8])> = lines
        .map(|line| {
            let colon = memchr::memchr(b':', line).expect("a colon");
            (&line[..colon], trim(&line[colon + 1..]))
        })
        .collect();

    assert!(bytes.len() <= limits.head && start.len() <= limits.line);
    assert!(fields.len() <= limits.fields);
    assert!(fields.iter().all(|(name, value)| name.len() + value.len() <= limits.field));

    let parts = head.clone().into_parts(BytesMut::from(bytes));
    assert_eq!(parts.method.as_str().as_bytes(), *method);
    assert_eq!(target::misplaced(path), None);
    assert_eq!(parts.headers.len(), fields.len());
    for ((known, name, value), (field_name, wanted)) in parts.headers.iter().zip(&fields) {
        assert_eq!((name, value), (&*field_name.to_ascii_lowercase(), *wanted));
        assert_eq!(known, FieldName::of(field_name));
        assert!(parts.headers.get_all(known).any(|one| one == value));
    }
    let mut slots = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut slots);
    // httparse accepts fewer bytes in a target than browsers send.
    let mut plain = bytes.to_vec();
    let line = bytes.len() - text.len() - "\r\n\r\n".len() + start.len();
    let refused = plain[..line].iter_mut().filter(|byte| matches!(byte, b'"' | b'<' | b'>'));
    refused.for_each(|byte| *byte = b'_');
    assert_eq!(request.parse(&plain), Ok(httparse::Status::Complete(plain.len())));
    assert_eq!(request.method.map(str::as_bytes), Some(*method));
    let expected: &[u8] = if request.version == Some(1) { b"HTTP/1.1" } else { b"HTTP/1.0" };
    assert_eq!(*version, expected);
    assert_eq!(request.path.map(str::len), Some(path.len()));
    assert_eq!(request.headers.len(), fields.len());
    for (theirs, (name, value)) in request.headers.iter().zip(&fields) {
        assert_eq!((theirs.name.as_bytes(), trim(theirs.value)), (*name, *value));
    }
    if path.first() == Some(&b'/') {
        assert_eq!(parts.path_and_query().as_bytes(), *path);
    }
    framing(head, &fields, *version == b"HTTP/1.0");
}

/// Exactly one field defines the end of the body.
fn framing(head: &ScannedHead, fields: &[(&[u8], &[u8])], is_old: bool) {
    let all = |wanted: &str| -> Vec<&[u8]> {
        let named = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        named.map(|(_, value)| *value).collect()
    };
    match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        ([], []) => assert_eq!(head.framing, BodyFraming::Length(0)),
        ([digits], []) => {
            let number = String::from_utf8_lossy(digits).parse().expect("a number");
            assert!(digits.iter().all(u8::is_ascii_digit));
            assert_eq!(head.framing, BodyFraming::Length(number));
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && !is_old);
            assert_eq!(head.framing, BodyFraming::Chunked);
        }
        (lengths, codings) => panic!("ambiguous: {lengths:?} {codings:?}"),
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
