//! The `Host` field: `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2).

use std::net::Ipv6Addr;

/// Whether the value is a host with an optional port. An empty value is valid by the grammar, but useless to an
/// application, so it is refused. A comma is refused as well, because software that joins fields reads it as a list.
///
/// ```
/// use sideman::rfc::host::is_valid;
/// assert!(is_valid(b"example.org:8000") && is_valid(b"[::1]:80"));
/// assert!(!is_valid(b"a/b") && !is_valid(b"a b") && !is_valid(b"user@host") && !is_valid(b""));
/// ```
pub fn is_valid(value: &[u8]) -> bool {
    split(value).is_some_and(|(host, port)| is_host(host) && is_port(port))
}

/// Returns the host alone, in brackets if it is an IPv6 address, and the port's digits, which may be empty. `None` if a
/// bracket is not closed.
pub fn split_port(value: &[u8]) -> Option<(&[u8], &[u8])> {
    split(value).map(|(host, port)| (host, port.strip_prefix(b":").unwrap_or_default()))
}

/// Whether two hosts with their ports are equal. Letter case makes no difference, nor does the scheme's own port
/// (RFC 3986, 6.2.2.1 and 6.2.3).
///
/// ```
/// use sideman::rfc::host::are_same;
/// assert!(are_same(b"Example.org", b"example.org:80", "http"));
/// assert!(!are_same(b"example.org", b"example.org:80", "https"));
/// ```
pub fn are_same(one: &[u8], other: &[u8], scheme: &str) -> bool {
    let own: &[u8] = if scheme == "https" { b"443" } else { b"80" };
    let split =
        |value| split_port(value).map(|(host, port)| (host, if port == own { b"" } else { port }));
    match (split(one), split(other)) {
        (Some((one, one_port)), Some((other, other_port))) => {
            one.eq_ignore_ascii_case(other) && one_port == other_port
        }
        _ => false,
    }
}

/// Whether a host, without its port, matches a pattern of a list. A pattern is lower case. If it begins with a dot, it
/// matches the name after the dot and all names below it. A dot at the host's end, which makes a name absolute
/// (RFC 1034, 3.1), makes no difference.
///
/// ```
/// use sideman::rfc::host::matches;
/// assert!(matches(b"Example.org", "example.org") && matches(b"www.example.org.", ".example.org"));
/// assert!(!matches(b"badexample.org", ".example.org"));
/// ```
pub fn matches(host: &[u8], pattern: &str) -> bool {
    if let Some(address) = ipv6(host) {
        // An address has many spellings.
        return ipv6(pattern.as_bytes()).or_else(|| pattern.parse().ok()) == Some(address);
    }
    let host = host.strip_suffix(b".").unwrap_or(host);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern).as_bytes();
    let Some(parent) = pattern.strip_prefix(b".") else {
        return host.eq_ignore_ascii_case(pattern);
    };
    let below = host.len().checked_sub(pattern.len()).and_then(|start| host.get(start..));
    host.eq_ignore_ascii_case(parent)
        || below.is_some_and(|end| end.len() < host.len() && end.eq_ignore_ascii_case(pattern))
}

/// Splits a value into the host, and the port with its colon or nothing.
fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = match value {
        [b'[', ..] => value.iter().position(|&byte| byte == b']')? + 1,
        _ => value.iter().position(|&byte| byte == b':').unwrap_or(value.len()),
    };
    value.split_at_checked(end)
}

/// Parses an IPv6 address in its brackets. An address has many spellings.
///
/// ```
/// use sideman::rfc::host::ipv6;
/// assert_eq!(ipv6(b"[0:0::1]"), Some(std::net::Ipv6Addr::LOCALHOST));
/// assert_eq!(ipv6(b"::1"), None);
/// ```
pub fn ipv6(host: &[u8]) -> Option<Ipv6Addr> {
    let inner = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inner).ok()?.parse().ok()
}

fn is_host(host: &[u8]) -> bool {
    if host.starts_with(b"[") {
        return ipv6(host).is_some();
    }
    !host.is_empty()
        && host
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(&byte))
}

fn is_port(port: &[u8]) -> bool {
    match port {
        [] => true,
        [b':'] => true,
        [b':', digits @ ..] => {
            let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u32>().ok());
            digits.iter().all(u8::is_ascii_digit)
                && digits.len() <= 5
                && number.is_some_and(|number| number <= u32::from(u16::MAX))
        }
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
            "",
            ":80",
            "a:b",
            "a:123456",
            "a:65536",
            "a:+1",
            "a:80:80",
            "a,b",
            "a:80,b:80",
            "[::1",
            "[zz]",
            "[::1]x",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "a\\b",
            "<a>",
            "a,b c",
            "\"a\"",
            "a\u{e9}",
        ] {
            assert!(!is_valid(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn ports() {
        for (value, expected) in [
            ("a", Some(("a", ""))),
            ("a:80", Some(("a", "80"))),
            ("a:", Some(("a", ""))),
            ("[::1]", Some(("[::1]", ""))),
            ("[::1]:8000", Some(("[::1]", "8000"))),
            ("", Some(("", ""))),
            ("[::1", None),
        ] {
            let expected = expected.map(|(host, port)| (host.as_bytes(), port.as_bytes()));
            assert_eq!(split_port(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn patterns() {
        for (host, pattern, expected) in [
            ("example.org", "example.org", true),
            ("EXAMPLE.org", "example.org", true),
            ("example.org.", "example.org", true),
            ("example.org", "example.org.", true),
            ("example.org..", "example.org", false),
            ("www.example.org", "example.org", false),
            ("example.orga", "example.org", false),
            ("example", "example.org", false),
            ("example.org", ".example.org", true),
            ("www.example.org", ".example.org", true),
            ("a.b.Example.ORG.", ".example.org", true),
            ("badexample.org", ".example.org", false),
            (".example.org", ".example.org", false),
            ("org", ".example.org", false),
            ("", ".example.org", false),
            ("", "", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.10", "127.0.0.1", false),
            ("[::1]", "[::1]", true),
            ("[0:0:0:0:0:0:0:1]", "[::1]", true),
            ("[2001:DB8::7]", "2001:db8::7", true),
            ("[::1]", "[::2]", false),
            ("[::1]", "example.org", false),
            ("[::1]", ".1]", false),
            ("example.org", "[::1]", false),
        ] {
            assert_eq!(matches(host.as_bytes(), pattern), expected, "{host:?} and {pattern:?}");
        }
    }
}
