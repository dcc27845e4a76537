//! The `Host` field: `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2).

use std::net::Ipv6Addr;

/// Whether the value is a host with an optional port. An empty value is valid by the grammar, but
/// no application can do anything with it, so it is refused.
///
/// ```
/// use sideman::rfc::host::is_valid;
/// assert!(is_valid(b"example.org:8000") && is_valid(b"[::1]:80"));
/// assert!(!is_valid(b"a/b") && !is_valid(b"a b") && !is_valid(b"user@host") && !is_valid(b""));
/// ```
pub fn is_valid(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', ..] => match value.iter().position(|&byte| byte == b']') {
            Some(end) => value.split_at(end + 1),
            None => return false,
        },
        _ => match value.iter().position(|&byte| byte == b':') {
            Some(colon) => value.split_at(colon),
            None => (value, &b""[..]),
        },
    };
    is_host(host) && is_port(port)
}

fn is_host(host: &[u8]) -> bool {
    if let Some(inner) = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        return std::str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    !host.is_empty()
        && host
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte))
}

fn is_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for good in ["a", "a.b", "127.0.0.1", "a:80", "a:", "[::1]", "[::1]:8000", "x_y.z"] {
            assert!(is_valid(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a:b", "a:123456", "[::1", "[zz]", "[::1]x", "a b", "a/b", "a?b", "a#b",
            "a@b", "a\\b", "<a>", "a,b c", "\"a\"", "a\u{e9}",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }
}
