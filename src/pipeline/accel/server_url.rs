//! The URL of a file on a file server, relative to its base. It is sent as the application has written it: it may be
//! signed, and only that server knows what its characters mean. A path that might leave the base is made anew of its
//! name.

use crate::rfc::{path, target};

/// Returns path and query. `value` is the URL as written, and `name` the normal name that its path has below `prefix`.
pub(super) fn of(value: &[u8], prefix: &str, name: &[u8]) -> Result<String, &'static str> {
    let (written, query) = match value.iter().position(|&byte| byte == b'?') {
        Some(at) => value.split_at_checked(at).unwrap_or((value, b"")),
        None => (value, &b""[..]),
    };
    if !query.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(
            "the query has a character that no URL may have: encode it with urllib.parse.urlencode",
        );
    }
    let below = written.strip_prefix(prefix.as_bytes()).filter(|below| stays(below));
    let mut url = Vec::with_capacity(value.len());
    match below {
        Some(below) => url.extend_from_slice(below),
        None => target::escape_path(name, &mut url),
    }
    url.extend_from_slice(query);
    // Both parts are ASCII.
    Ok(String::from_utf8(url).unwrap_or_default())
}

/// Whether a path as written is one of a URL, and stays below the base, whatever the server takes for a separator.
fn stays(below: &[u8]) -> bool {
    let is_plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(byte);
    let Some(decoded) = path::decode(below).filter(|_| below.iter().all(is_plain)) else {
        return false;
    };
    // With an empty base, `//` would begin the target.
    let begins_anew = decoded.first().is_some_and(|byte| matches!(byte, b'/' | b'\\'));
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    // Some servers drop parameters first.
    let is_dots = |segment: &[u8]| {
        let end = segment.iter().position(|&byte| byte == b';').unwrap_or(segment.len());
        matches!(segment.get(..end), Some(b"." | b".."))
    };
    !begins_anew && !segments.any(is_dots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls() {
        let query =
            "the query has a character that no URL may have: encode it with urllib.parse.urlencode";
        for (value, name, expected) in [
            ("/far/a/b.txt", "a/b.txt", Ok("a/b.txt")),
            ("/far/", "", Ok("")),
            ("/far/a/?b", "a/", Ok("a/?b")),
            ("/far/a%20b+c@d:e,f;g?h=%2F", "a b+c@d:e,f;g", Ok("a%20b+c@d:e,f;g?h=%2F")),
            ("/far/http://x//y", "http:/x/y", Ok("http://x//y")),
            ("/far/%FC", "\u{fc}", Ok("%FC")),
            ("/far/a?b?c", "a", Ok("a?b?c")),
            // Made anew.
            ("/far//a", "a", Ok("a")),
            ("/far/a/../b", "b", Ok("b")),
            ("/far/a/%2e%2E/b", "b", Ok("b")),
            ("/far/..;/b", "..;/b", Ok("..%3B/b")),
            ("/far/..%5Cb", "..\\b", Ok("..%5Cb")),
            ("/far/a b", "a b", Ok("a%20b")),
            ("/far/100%", "100%", Ok("100%25")),
            ("/fa%72/a+b", "a+b", Ok("a%2Bb")),
            ("/far/a?b c", "a", Err(query)),
            ("/far/a?b#c", "a", Err(query)),
        ] {
            let received = of(value.as_bytes(), "/far/", name.as_bytes());
            assert_eq!(received.as_deref(), expected.as_ref().map(|text| *text), "{value}");
        }
    }

    proptest! {
        #[test]
        fn the_url_never_leaves_the_base(below in "[a./\\\\;%2eE5cC?]{0,12}", name in "[a/. ]{0,6}") {
            let url = of(format!("/far/{below}").as_bytes(), "/far/", name.as_bytes()).unwrap();
            let path = url.split('?').next().unwrap();
            if let Some(decoded) = path::decode(path.as_bytes()) {
                let leaves = |segment: &[u8]| segment == b"..";
                let is_own = path == below.split('?').next().unwrap();
                prop_assert!(!is_own || !decoded.split(|byte| *byte == b'/').any(leaves), "{}", url);
            }
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
