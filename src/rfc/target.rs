//! The target of a request (RFC 9112, 3.2): which bytes the path and the query may hold unescaped.
//!
//! RFC 3986 allows fewer bytes, but browsers and curl send more. Servers agree on their meaning as long as none of them
//! ends the target or begins a fragment.

use std::borrow::Cow;

/// A byte that is not allowed at its position in a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced {
    pub byte: u8,
    /// The number of bytes of the target before it.
    pub at: usize,
}

/// Returns the first byte that is not allowed at its position: a space, a control character, or `#`; in the path also
/// `<`, `>` and the backtick, which every browser escapes there; and bytes that are not UTF-8.
///
/// ```
/// use sideman::rfc::target::{Misplaced, misplaced};
/// assert_eq!(misplaced(b"/a?b=\"<{|}>`^\\[]"), None);
/// assert_eq!(misplaced(b"/<?b"), Some(Misplaced { byte: b'<', at: 1 }));
/// ```
pub fn misplaced(target: &[u8]) -> Option<Misplaced> {
    let query = query(target);
    let mut bytes = target.iter().enumerate();
    let wrong = bytes.find(|(at, byte)| !is_allowed(**byte, *at >= query));
    let broken = std::str::from_utf8(target).err().map(|error| error.valid_up_to());
    let at = wrong.map(|(at, _)| at).into_iter().chain(broken).min()?;
    Some(Misplaced { byte: *target.get(at)?, at })
}

/// Escapes a target for a `Location`, which is a URI (RFC 9110, 10.2.2).
///
/// ```
/// use sideman::rfc::target::escape;
/// assert_eq!(escape("/a?b=%22c"), "/a?b=%22c");
/// assert_eq!(escape("/a?b=\"c|"), "/a?b=%22c|");
/// ```
pub fn escape(target: &str) -> Cow<'_, str> {
    if !target.bytes().any(is_escaped) {
        return Cow::Borrowed(target);
    }
    let mut escaped = String::with_capacity(target.len() + 16);
    for one in target.chars() {
        match u8::try_from(one) {
            Ok(byte) if is_escaped(byte) => escaped.push_str(&format!("%{byte:02X}")),
            _ => escaped.push(one),
        }
    }
    Cow::Owned(escaped)
}

/// Appends a decoded path, escaped for a `Location`: only unreserved characters and `/` remain (RFC 3986, 2.3).
///
/// ```
/// use sideman::rfc::target::escape_path;
/// let mut escaped = Vec::new();
/// escape_path("/a b?\u{e9}".as_bytes(), &mut escaped);
/// assert_eq!(escaped, b"/a%20b%3F%C3%A9");
/// ```
pub fn escape_path(path: &[u8], escaped: &mut Vec<u8>) {
    escape_path_except(path, b"", escaped);
}

/// Like [`escape_path`], and also keeps these characters.
pub fn escape_path_except(path: &[u8], kept: &[u8], escaped: &mut Vec<u8>) {
    for &byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                escaped.push(byte)
            }
            other if kept.contains(&other) => escaped.push(other),
            other => escaped.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
}

/// Returns where the query begins.
fn query(target: &[u8]) -> usize {
    memchr::memchr(b'?', target).unwrap_or(target.len())
}

fn is_allowed(byte: u8, is_query: bool) -> bool {
    match byte {
        b'#' => false,
        b'<' | b'>' | b'`' => is_query,
        b'!'..=b'~' | 0x80.. => true,
        _ => false,
    }
}

/// Whether a URI cannot hold this byte unescaped (RFC 3986, 2).
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_refused() {
        for byte in 0..=u8::MAX {
            let is_refused_anywhere = byte <= b' ' || matches!(byte, b'#' | 0x7f..);
            let is_refused_in_paths = is_refused_anywhere || matches!(byte, b'<' | b'>' | b'`');
            for (before, after, is_refused) in [
                (&b"/"[..], &b"a?b"[..], is_refused_in_paths && byte != b'?'),
                (b"/?", b"?a", is_refused_anywhere),
                (b"http://a/b?c", b"", is_refused_anywhere),
            ] {
                let target = [before, &[byte], after].concat();
                let expected = is_refused.then_some(Misplaced { byte, at: before.len() });
                assert_eq!(misplaced(&target), expected, "{}", target.escape_ascii());
            }
        }
    }

    #[test]
    fn the_first_of_several_is_named() {
        for (target, byte, at) in [
            (&b"/a#b c"[..], b'#', 2),
            (b"/\xe9<", 0xe9, 1),
            (b"/<\xe9", b'<', 1),
            (b"/?\xc3\xa9\xff ", 0xff, 4),
            (b"/?\xc3", 0xc3, 2),
        ] {
            assert_eq!(
                misplaced(target),
                Some(Misplaced { byte, at }),
                "{}",
                target.escape_ascii()
            );
        }
        assert_eq!(misplaced("/\u{e9}?\u{20ac}".as_bytes()), None);
        assert_eq!(misplaced(b""), None);
    }
}
