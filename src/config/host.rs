//! Hosts that requests may name.

use std::net::Ipv6Addr;

use super::format::{FormatProperties, TextFormat};

/// A host that requests may name.
pub(super) const ALLOWED: TextFormat<String> =
    TextFormat::address("hosts, such as example.org, or .example.org", allowed, String::clone);

/// A host that a route matches.
pub(super) const OF_ROUTE: TextFormat<String> =
    TextFormat::new("hosts, such as example.org, or .example.org", of_route, String::clone)
        .with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

const NO_HOST: &str = "this is not a host name";
/// Maximum length of a name (RFC 1035, 2.3.4).
const MAX_NAME_LENGTH: usize = 253;

/// Reads `example.org`, or `.example.org` for it and every name below. An IPv6 address is in brackets, as in `Host`.
fn allowed(text: &str) -> Result<String, String> {
    if text == "*" {
        return Err("to allow every host, write none".into());
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return Err(format!("this is a URL: write {host}"));
    }
    if let Some(parent) = text.strip_prefix("*.") {
        return Err(format!("write .{parent}"));
    }
    if !text.is_ascii() {
        return Err("write it in ASCII, as browsers send it: it begins with xn--".into());
    }
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Err(format!("write [{ip}]"));
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, after) = bracketed.split_once(']').ok_or("the closing ] is missing")?;
        let ip: Ipv6Addr =
            ip.parse().map_err(|_| "between [ and ] there is no IPv6 address".to_owned())?;
        return without_port(&format!("[{ip}]"), after);
    }
    let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
    name(host.strip_prefix('.').unwrap_or(host))?;
    without_port(&host.to_ascii_lowercase(), port)
}

/// The canonical host of a site.
pub(super) const CANONICAL: TextFormat<String> =
    TextFormat::new("a host, such as example.org or www.example.org", canonical, String::clone);

/// Reads one name.
pub(super) fn canonical(text: &str) -> Result<String, String> {
    if let Some(parent) = text.strip_prefix('.') {
        return match allowed(parent) {
            Ok(parent) if !parent.starts_with('.') => {
                Err(format!("this must be one host: write {parent}"))
            }
            Ok(_) | Err(_) => Err(NO_HOST.into()),
        };
    }
    allowed(text)
}

/// Reads a host as [`allowed`] does. A route without hosts matches all of them.
pub(super) fn of_route(text: &str) -> Result<String, String> {
    match text {
        "*" => Err("a route without host matches every host: remove this".into()),
        text => allowed(text),
    }
}

fn name(name: &str) -> Result<(), String> {
    if let Some(name) = name.strip_suffix('.').filter(|name| !name.is_empty()) {
        return Err(format!("write it without the dot at its end: {name}"));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.bytes().all(letter);
    match name.len() <= MAX_NAME_LENGTH && name.split('.').all(label) {
        true => Ok(()),
        false => Err(NO_HOST.into()),
    }
}

/// Rejects a port, because a host is allowed on every port.
fn without_port(host: &str, after: &str) -> Result<String, String> {
    match after {
        "" => Ok(host.into()),
        after if after.starts_with(':') => Err(format!("write it without the port: {host}")),
        _ => Err("this is not a host".into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts() {
        let reads = |text: &str, expected: Result<&str, &str>| {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(allowed(text), expected, "{text:?}");
        };
        reads("example.org", Ok("example.org"));
        reads("Example.ORG", Ok("example.org"));
        reads(".Example.org", Ok(".example.org"));
        reads("web_1", Ok("web_1"));
        reads("127.0.0.1", Ok("127.0.0.1"));
        reads("[::1]", Ok("[::1]"));
        reads("[0:0:0:0:0:0:0:1]", Ok("[::1]"));
        reads("example.org:8000", Err("write it without the port: example.org"));
        reads(".Example.org:443", Err("write it without the port: .example.org"));
        reads("[::1]:80", Err("write it without the port: [::1]"));
        reads("::1", Err("write [::1]"));
        reads("[::1", Err("the closing ] is missing"));
        reads("[a]", Err("between [ and ] there is no IPv6 address"));
        reads("[::1]a", Err("this is not a host"));
        reads("*", Err("to allow every host, write none"));
        reads("*.example.org", Err("write .example.org"));
        reads("https://example.org/", Err("this is a URL: write example.org"));
        reads("example.org.", Err("write it without the dot at its end: example.org"));
        reads(
            "b\u{fc}cher.example",
            Err("write it in ASCII, as browsers send it: it begins with xn--"),
        );
        for text in ["", ".", "..a", "a..b", "a b", "a/b", "me@a", ":80", &"a".repeat(254)] {
            reads(text, Err("this is not a host name"));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_lower_case_and_reads_back(text in "\\.?[a-zA-Z0-9._:\\[\\]-]{0,12}") {
            if let Ok(host) = allowed(&text) {
                prop_assert_eq!(host.to_ascii_lowercase(), host.as_str());
                prop_assert_eq!(allowed(&host), Ok(host.clone()));
                prop_assert!(!host.is_empty() && host != ".");
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = allowed(&text);
            let _ = allowed(&format!("[{text}"));
        }
    }
}
