//! Ranges, and the multipart body that is made of several: a first line with the size, then the value of `Range`.

use std::ops::Range;

use crate::fuzz_input as input;
use crate::rfc::{
    multipart,
    range::{RequestedRange, resolve},
};

/// Sizes up to this one are checked byte by byte.
const SMALL: u64 = 2000;

/// Tests one value.
pub fn check(data: &[u8]) {
    let (size, value) = input::first_line(data);
    let size = String::from_utf8_lossy(size).parse().unwrap_or(1000);
    let Ok(value) = std::str::from_utf8(value) else { return };
    let requested = resolve(value, size);
    let parts = match &requested {
        RequestedRange::Whole => return,
        RequestedRange::Unsatisfiable => Vec::new(),
        RequestedRange::Part(part) => vec![part.clone()],
        RequestedRange::Parts(parts) => {
            assert!((2..=16).contains(&parts.len()));
            parts.clone()
        }
    };
    for (index, part) in parts.iter().enumerate() {
        assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
        for other in parts.iter().skip(index + 1) {
            assert!(part.end <= other.start || other.end <= part.start, "{part:?} {other:?}");
        }
    }
    let total: u64 = parts.iter().map(|part| part.end - part.start).sum();
    assert!(total <= size);
    let members = asked(value, size);
    assert_eq!(members.is_empty(), parts.is_empty(), "{members:?} {parts:?}");
    for member in &members {
        let within = |part: &Range<u64>| part.start <= member.start && member.end <= part.end;
        assert!(parts.iter().any(within), "{member:?} was asked for, {parts:?} are sent");
    }
    if let [member] = members.as_slice() {
        assert!(parts.len() == 1 && parts[0] == *member, "no more than was asked for");
    }
    if parts.len() > 1 && size <= SMALL {
        framed(&parts, size);
    }
}

/// The members of a list, seen against the size, read in the plainest way; those that cannot be satisfied are left out.
fn asked(value: &str, size: u64) -> Vec<Range<u64>> {
    let size = u128::from(size);
    let members = value.split_once('=').map_or("", |(_, set)| set).split(',');
    let ranges = members.filter_map(|member| {
        let (first, last) = member.trim_matches([' ', '\t']).split_once('-')?;
        let number = |text: &str| text.parse::<u128>().unwrap_or(u128::MAX / 2);
        let (first, end) = match (first, last) {
            ("", suffix) => (size.saturating_sub(number(suffix)), size),
            (first, "") => (number(first), size),
            (first, last) => (number(first), size.min(number(last) + 1)),
        };
        (first < end).then_some(first as u64..end as u64)
    });
    ranges.collect()
}

/// The text around the parts can be read back, and its length is what it says.
fn framed(parts: &[Range<u64>], size: u64) {
    let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let framing = multipart::frame("limit", Some("text/plain"), parts, size);
    let mut body = Vec::new();
    for (before, part) in framing.before.iter().zip(parts) {
        body.extend_from_slice(before.as_bytes());
        body.extend_from_slice(&content[part.start as usize..part.end as usize]);
    }
    body.extend_from_slice(framing.closing.as_bytes());
    assert_eq!(body.len() as u64, framing.length);
    assert_eq!(framing.before.len(), parts.len());

    let mut rest = body.as_slice();
    for part in parts {
        let end = memchr::memmem::find(rest, b"\r\n\r\n").expect("the end of a part's head");
        let head = String::from_utf8_lossy(&rest[..end]);
        assert!(head.trim_start().starts_with("--limit\r\nContent-Type: text/plain\r\n"), "{head}");
        let range = format!("Content-Range: bytes {}-{}/{size}", part.start, part.end - 1);
        assert!(head.ends_with(&range), "{head}");
        let (sent, after) = rest[end + 4..].split_at((part.end - part.start) as usize);
        assert_eq!(sent, &content[part.start as usize..part.end as usize]);
        rest = after;
    }
    assert_eq!(rest, b"\r\n--limit--\r\n");
}
