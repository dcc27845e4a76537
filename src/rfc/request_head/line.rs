//! The lines of a head, each without its end.

use std::ops::Range;

use http::Uri;

use super::fault::{HeadFault, HeadLimits};
use crate::rfc::{target, token};

/// The longest method; those that are registered have at most 17 letters.
const METHOD: usize = 32;

/// The version that a request line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpVersion {
    One,
    OneOne,
}

/// What there is to know of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) version: HttpVersion,
    /// Bytes of the method, which the line begins with.
    pub(super) method: usize,
    /// Where its target is.
    pub(super) target: Range<usize>,
}

/// What a byte may be part of.
const TOKEN: u8 = 1;
const TARGET: u8 = 2;

/// The grammar of single bytes: a token (RFC 9110, 5.6.2), the usual target (RFC 3986, 3.3 and 3.4).
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

/// Whether this is a method (RFC 9110, 9.1), and none that is longer than any.
pub(super) fn is_method(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= METHOD && all(text, TOKEN)
}

pub(super) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// Whether all bytes are of a class. Without an early end, which the usual case would pay for.
fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(true, |all, &byte| all & is(byte, class))
}

/// A control character other than tab.
fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
}

/// Checks so many lines, of which each ends with CR and LF, for other control characters. They are
/// counted for many bytes at a time, which costs less than to look at each line's value on its own.
pub(super) fn check_controls(lines: &[u8], count: usize) -> Result<(), HeadFault> {
    // So few at a time that their sum fits a byte.
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

/// Reads a request line.
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

/// A field's name, and its value without the space around it; control characters are looked for apart.
pub(super) fn field(line: &[u8]) -> Result<(&[u8], &[u8]), HeadFault> {
    // A colon is no part of a token: the first byte that is none has to be one.
    let end = token::length(line);
    match line.split_at_checked(end) {
        Some((name, [b':', value @ ..])) if end > 0 => Ok((name, trim(value))),
        _ => Err(fault(line, HeadFault::Field)),
    }
}

/// The same for a line that nobody has looked at.
pub(super) fn clean_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.iter().any(|&byte| is_control(byte)) { None } else { field(line).ok() }
}

/// The method and the target of a line, where they can be read.
pub(super) fn recover(line: &[u8]) -> (&str, &str) {
    let mut words = line.split(|&byte| byte == b' ');
    let method = words.next().filter(|word| is_method(word));
    let target = words.next().filter(|word| word.starts_with(b"/") && all(word, TARGET));
    let text = |word| std::str::from_utf8(word).ok().filter(|word| !word.is_empty());
    (method.and_then(text).unwrap_or("-"), target.and_then(text).unwrap_or("*"))
}

/// Without spaces and tabs at both ends: other white space is none here.
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

/// Checks that a target can be told to the application byte for byte. Whether one that is no path suits its method is
/// looked at later, by `pipeline/guard.rs`.
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
    // Only the absolute form has a query behind something else than a path.
    let site = match memchr::memchr(b'?', target) {
        Some(query) if memchr::memmem::find(target, b"://").is_some_and(|at| at < query) => {
            target.get(..query).unwrap_or_default()
        }
        _ => target,
    };
    if Uri::try_from(site).is_ok() { Ok(()) } else { Err(HeadFault::Target(None)) }
}

/// Why a line is refused that has a fault: what is worse than that is named first. A bare CR is a line's
/// end to some.
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
