//! The lines of a head, each without its end.

use std::ops::Range;

use http::Uri;

use super::fault::{HeadFault, HeadLimits};
use crate::rfc::{target, token};

/// The longest method; registered ones have at most 17 letters.
const MAX_METHOD: usize = 32;

/// The version that a request line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpVersion {
    One,
    OneOne,
}

/// A parsed request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) version: HttpVersion,
    /// Bytes of the method, which the line begins with.
    pub(super) method: usize,
    /// The position of the target.
    pub(super) target: Range<usize>,
}

/// The classes of a byte.
const TOKEN: u8 = 1;
const TARGET: u8 = 2;

/// The classes of each byte: a token (RFC 9110, 5.6.2), the usual target (RFC 3986, 3.3 and 3.4).
#[expect(clippy::indexing_slicing, reason = "the compiler does it, and sees every index")]
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        if token::is_token_byte(value) {
            classes[byte] |= TOKEN;
        }
        if value.is_ascii_alphanumeric() || is_among(b"-._~!$&'()*+,;=:@%/?", value) {
            classes[byte] |= TARGET;
        }
        byte += 1;
    }
    classes
};

const fn is_among(list: &[u8], byte: u8) -> bool {
    let mut list = list;
    while let [first, rest @ ..] = list {
        if *first == byte {
            return true;
        }
        list = rest;
    }
    false
}

/// Whether this is a method (RFC 9110, 9.1) within the length limit.
pub(super) fn is_method(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= MAX_METHOD && all(text, TOKEN)
}

pub(super) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// Whether all bytes are of a class. It has no early exit, which would slow down the usual case.
fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(true, |all, &byte| all & is(byte, class))
}

/// A control character other than tab.
fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
}

/// Checks `count` lines, each of which ends with CR and LF, for other control characters. They are counted for many
/// bytes at a time, which costs less than checking each line's value.
pub(super) fn check_controls(lines: &[u8], count: usize) -> Result<(), HeadFault> {
    // Small blocks, so that their sum fits a byte.
    let found = lines.chunks(255).map(|bytes| {
        usize::from(bytes.iter().fold(0, |sum, &byte| sum + u8::from(is_control(byte))))
    });
    if found.sum::<usize>() == 2 * count {
        return Ok(());
    }
    let mut lines =
        lines.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.find(|line| line.iter().any(|&byte| is_control(byte)));
    Err(fault(line.unwrap_or_default(), HeadFault::Field))
}

/// Parses a request line.
pub(super) fn request(line: &[u8], limits: &HeadLimits) -> Result<RequestLine, HeadFault> {
    if line.len() > limits.line {
        return Err(HeadFault::LineTooLong);
    }
    let (method, rest) = split_at(line, b' ').ok_or(HeadFault::RequestLine)?;
    if !is_method(method) {
        return Err(fault(line, HeadFault::RequestLine));
    }
    let Some(end) = memchr::memrchr(b' ', rest) else {
        return Err(fault(line, HeadFault::RequestLine));
    };
    let (target, version) = rest.split_at_checked(end).ok_or(HeadFault::RequestLine)?;
    let version = match version {
        b" HTTP/1.1" => HttpVersion::OneOne,
        b" HTTP/1.0" => HttpVersion::One,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(HeadFault::Version);
        }
        _ => return Err(fault(line, HeadFault::RequestLine)),
    };
    let begin = method.len() + 1;
    check_target(target)?;
    Ok(RequestLine { version, method: method.len(), target: begin..begin + target.len() })
}

/// Parses a field: its name, and its value without the space around it. It does not check for control characters.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), HeadFault> {
    // A colon is not part of a token: the first byte behind the token must be one.
    let end = token::length(line);
    match line.split_at_checked(end) {
        Some((name, [b':', value @ ..])) if end > 0 => Ok((name, trim(value))),
        _ => Err(fault(line, HeadFault::Field)),
    }
}

/// Parses the field of a line that is not checked for control characters yet.
pub(super) fn clean_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.iter().any(|&byte| is_control(byte)) { None } else { field(line).ok() }
}

/// Returns the method and the target of a line, as far as they are valid.
pub(super) fn recover(line: &[u8]) -> (&str, &str) {
    let mut words = line.split(|&byte| byte == b' ');
    let method = words.next().filter(|word| is_method(word));
    let target = words.next().filter(|word| word.starts_with(b"/") && all(word, TARGET));
    let text = |word| std::str::from_utf8(word).ok().filter(|word| !word.is_empty());
    (method.and_then(text).unwrap_or("-"), target.and_then(text).unwrap_or("*"))
}

/// Returns the value without spaces and tabs at both ends. Other white space does not count.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn split_at(line: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, line)?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

/// Checks that a target can be forwarded byte for byte. `pipeline/guard.rs` checks later whether a target that is no
/// path suits its method.
pub(super) fn check_target(target: &[u8]) -> Result<(), HeadFault> {
    let is_path = target.first() == Some(&b'/');
    if is_path && all(target, TARGET) {
        return Ok(());
    }
    let misplaced = target::misplaced(target);
    if misplaced.is_some() {
        return Err(fault(target, HeadFault::Target(misplaced)));
    }
    if is_path {
        return Ok(());
    }
    // Only the absolute form can have a query behind something other than a path.
    let site = match memchr::memchr(b'?', target) {
        Some(query) if memchr::memmem::find(target, b"://").is_some_and(|at| at < query) => {
            target.get(..query).unwrap_or_default()
        }
        _ => target,
    };
    if Uri::try_from(site).is_ok() { Ok(()) } else { Err(HeadFault::Target(None)) }
}

/// Returns the worst fault of a line whose own fault is `other`. Some servers take a bare CR for a line end.
pub(super) fn fault(line: &[u8], other: HeadFault) -> HeadFault {
    let is_value =
        matches!(other, HeadFault::Length | HeadFault::LengthRepeated | HeadFault::Coding);
    if memchr::memchr(b'\r', line).is_some() {
        HeadFault::LineEnd
    } else if is_value && line.iter().any(|&byte| is_control(byte)) {
        HeadFault::Field
    } else {
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls() {
        for byte in 0..=u8::MAX {
            let expected = byte == b'\n' || byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            for pad in [0, 1, 300] {
                let lines = [&b"A: "[..], &vec![b'a'; pad], &[byte], b"\r\nB: c\r\n"].concat();
                // A bare LF was found before.
                let found = check_controls(&lines, 2).is_ok();
                assert_eq!(found, expected && byte != b'\n', "{byte} {pad}");
            }
        }
        assert_eq!(check_controls(b"A: b\rc\r\n", 1), Err(HeadFault::LineEnd));
        assert_eq!(check_controls(b"A: b\0c\r\n", 1), Err(HeadFault::Field));
    }
}
