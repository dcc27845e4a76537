//! The target of a request (RFC 9112, 3.2): which bytes it may hold as they are, in the path and in the query.
//!
//! RFC 3986 has fewer; but browsers and curl send more, and servers agree about what they mean as long as none of
//! them ends the target or begins a fragment. `http::Uri` takes nearly as many: what it does not take is hidden
//! from it, and told beside it.

use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};

/// A byte that a target may not hold where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced {
    pub byte: u8,
    /// How many bytes of the target are before it.
    pub at: usize,
}

/// Takes the place of what is hidden.
const HIDDEN: u8 = b'_';

/// The first byte that may not be where it is: a space, a control character, `#`; in the path also `<`, `>` and
/// the backtick, which every browser escapes there; and what is not UTF-8.
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

/// Whether something in the target must be hidden from `http::Uri`.
pub fn is_hidden(target: &[u8]) -> bool {
    target.get(query(target)..).is_some_and(|query| query.iter().any(|&byte| hides(byte)))
}

/// Puts something harmless in the place of what `http::Uri` does not take, byte for byte.
pub fn hide(target: &mut [u8]) {
    let query = query(target);
    let hidden = target.get_mut(query..).unwrap_or_default().iter_mut();
    hidden.filter(|byte| hides(**byte)).for_each(|byte| *byte = HIDDEN);
}

/// A target as it may stand in a `Location`, which is a URI (RFC 9110, 10.2.2): what it may not hold is escaped.
///
/// ```
/// use sideman::rfc::target::escape;
/// assert_eq!(escape("/a?b=%22c"), "/a?b=%22c");
/// assert_eq!(escape("/a?b=\"c|"), "/a?b=%22c|");
/// ```
pub fn escape(target: &str) -> Cow<'_, str> {
    if !target.bytes().any(hides) {
        return Cow::Borrowed(target);
    }
    let mut escaped = String::with_capacity(target.len() + 16);
    for one in target.chars() {
        match u8::try_from(one) {
            Ok(byte) if hides(byte) => escaped.push_str(&format!("%{byte:02X}")),
            _ => escaped.push(one),
        }
    }
    Cow::Owned(escaped)
}

/// Gives a target in absolute form the path that it may leave out before a query: `http://host?a` is
/// `http://host/?a` (RFC 3986, 3.3 path-abempty; RFC 9110, 4.2.3).
///
/// ```
/// use sideman::rfc::target::with_path;
/// let uri = with_path("http://host?a=b".parse().unwrap());
/// assert_eq!(uri.path_and_query().unwrap().as_str(), "/?a=b");
/// ```
#[must_use]
pub fn with_path(uri: Uri) -> Uri {
    let text = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if uri.authority().is_none() || !text.starts_with('?') {
        return uri;
    }
    let with_path = PathAndQuery::try_from(format!("/{text}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = with_path.ok();
    // Too long for a URI by one: refused as what it is, without a path.
    Uri::from_parts(parts).unwrap_or(uri)
}

/// Where the query begins.
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

/// What `http::Uri` does not take in a query.
fn hides(byte: u8) -> bool {
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

    /// All that may pass comes through `http::Uri` as it is, once that is hidden which it does not take.
    #[test]
    fn what_passes_is_a_uri_once_it_is_hidden() {
        for byte in 0..=u8::MAX {
            for form in ["/a_b", "/_", "/?a_b", "/a?_", "http://a/_?_", "http://a?_"] {
                let target: Vec<u8> =
                    form.bytes().map(|one| if one == b'_' { byte } else { one }).collect();
                if misplaced(&target).is_some() {
                    continue;
                }
                let mut hidden = target.clone();
                hide(&mut hidden);
                assert_eq!(hidden != target, is_hidden(&target));
                let Ok(uri) = Uri::try_from(hidden.as_slice()) else {
                    panic!("{} is no URI", target.escape_ascii());
                };
                let shown = uri.to_string();
                let is_same = shown.as_bytes() == hidden || shown == with_path(uri).to_string();
                assert!(is_same, "{} became {shown}", target.escape_ascii());
            }
        }
    }

    #[test]
    fn only_the_absolute_form_may_leave_out_its_path() {
        for (target, expected) in [
            ("http://a?b", "http://a/?b"),
            ("http://a:80?", "http://a:80/?"),
            ("https://a?b?/c", "https://a/?b?/c"),
            ("http://a/?b", "http://a/?b"),
            ("http://a", "http://a/"),
            ("/?b", "/?b"),
            ("a:80", "a:80"),
            ("*", "*"),
        ] {
            assert_eq!(with_path(target.parse().unwrap()).to_string(), expected, "{target}");
        }
    }
}
