//! The path of a request target, decoded and without dot segments, for routes and files. The application gets the
//! target's own bytes, never this copy.

use std::borrow::Cow;

/// Decodes `%XX` once, merges slashes and removes dot segments (RFC 3986, 2.1 and 5.2.4).
///
/// `None` if an escape is malformed, the decoded path holds NUL, or `..` climbs above the root.
///
/// ```
/// use sideman::rfc::path::normalize;
/// assert_eq!(normalize("/a/b.css").as_deref(), Some(&b"/a/b.css"[..]));
/// assert_eq!(normalize("/a/%2e%2E//./b%20c").as_deref(), Some(&b"/b c"[..]));
/// assert_eq!(normalize("/a/../../etc"), None);
/// assert_eq!(normalize("/a%00"), None);
/// ```
pub fn normalize(raw: &str) -> Option<Cow<'_, [u8]>> {
    normalize_bytes(raw.as_bytes())
}

/// Normalises bytes that may include others than ASCII.
pub fn normalize_bytes(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if is_plain(raw) {
        return Some(Cow::Borrowed(raw));
    }
    remove_dot_segments(&decode(raw)?).map(Cow::Owned)
}

/// Normalises a literal path, which has no escapes.
///
/// ```
/// use sideman::rfc::path::literal;
/// assert_eq!(literal(b"/a//100%.txt").as_deref(), Some(&b"/a/100%.txt"[..]));
/// assert_eq!(literal(b"/../etc"), None);
/// ```
pub fn literal(path: &[u8]) -> Option<Vec<u8>> {
    if path.contains(&0) { None } else { remove_dot_segments(path) }
}

/// Decodes `%XX` once and does nothing else; `None` if an escape is malformed or decodes to NUL.
///
/// ```
/// use sideman::rfc::path::decode;
/// assert_eq!(decode(b"/a%20b/../c").as_deref(), Some(&b"/a b/../c"[..]));
/// assert_eq!(decode(b"/100%"), None);
/// ```
pub fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            plain => plain,
        };
        if byte == 0 {
            return None;
        }
        decoded.push(byte);
    }
    Some(decoded)
}

/// Whether there is nothing to decode and nothing to remove, as in nearly every request.
fn is_plain(raw: &[u8]) -> bool {
    let mut after_slash = false;
    for &byte in raw {
        match byte {
            b'%' | 0 => return false,
            b'/' | b'.' if after_slash => return false,
            _ => after_slash = byte == b'/',
        }
    }
    raw.first() == Some(&b'/')
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn remove_dot_segments(path: &[u8]) -> Option<Vec<u8>> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_directory = true;
    for segment in path.strip_prefix(b"/")?.split(|&byte| byte == b'/') {
        is_directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    let mut normal = Vec::with_capacity(path.len());
    for segment in &segments {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    if is_directory {
        normal.push(b'/');
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        let cases: &[(&str, Option<&str>)] = &[
            ("/", Some("/")),
            ("/static/a.css", Some("/static/a.css")),
            ("/static//a.css", Some("/static/a.css")),
            ("/static/./a.css", Some("/static/a.css")),
            ("/static/.hidden", Some("/static/.hidden")),
            ("/static/a/..", Some("/static/")),
            ("/static/a/.", Some("/static/a/")),
            ("/static/..%2fadmin", Some("/admin")),
            ("/static/%2e%2e/admin/", Some("/admin/")),
            ("/..", None),
            ("/static/%", None),
            ("/static/%4", None),
            ("/static/%zz", None),
            ("/static/%00", None),
            ("/static/%252e", Some("/static/%2e")),
            ("/a\\..\\b", Some("/a\\..\\b")),
            ("*", None),
            ("", None),
        ];
        for (raw, expected) in cases {
            let normal = normalize(raw);
            assert_eq!(normal.as_deref(), expected.map(str::as_bytes), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn result_holds_no_dot_segment(raw in "(/|[a-c.]|%2e|%2F|%25){0,24}") {
            let raw = format!("/{raw}");
            if let Some(normal) = normalize(&raw) {
                prop_assert_eq!(normal.first(), Some(&b'/'));
                for segment in normal.split(|&b| b == b'/') {
                    prop_assert!(segment != b"." && segment != b"..", "{:?}", normal);
                }
                prop_assert!(!normal.windows(2).any(|pair| pair == b"//"));
            }
        }

        #[test]
        fn plain_and_general_ways_agree(raw in "/([a-c./%]|2e){0,16}") {
            let general = decode(raw.as_bytes()).and_then(|path| remove_dot_segments(&path));
            if is_plain(raw.as_bytes()) {
                prop_assert_eq!(general.as_deref(), Some(raw.as_bytes()));
            }
        }
    }
}
