//! Which stored responses a request that changes something makes invalid (RFC 9111, 4.4).

use http::{Method, StatusCode};

use super::super::{host, response_lines::ResponseLines};

/// Whether the response to a request invalidates what is stored for its target: an unsafe method, and no error.
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    !method.is_safe() && (status.is_success() || status.is_redirection())
}

/// Returns the path and query of `Location` and `Content-Location`, if they are on the request's own host. Others could
/// be anybody's (RFC 9111, 4.4).
pub fn invalidated_targets(
    lines: &ResponseLines,
    scheme: &str,
    authority: &str,
    path: &str,
) -> Vec<String> {
    let fields = [&b"location"[..], b"content-location"].into_iter();
    fields.filter_map(|name| resolve(lines.get_str(name)?, scheme, authority, path)).collect()
}

/// Resolves a reference against the target of the request (RFC 3986, 5.2), as a path with its query.
fn resolve(reference: &str, scheme: &str, authority: &str, path: &str) -> Option<String> {
    let reference = reference.split('#').next()?;
    let without_scheme = match reference.split_once("://") {
        Some((one, rest)) if !one.contains(['/', '?']) => {
            if !one.eq_ignore_ascii_case(scheme) {
                return None;
            }
            Some(rest)
        }
        _ => reference.strip_prefix("//"),
    };
    if let Some(rest) = without_scheme {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at_checked(end)?;
        if !host::are_same(host.as_bytes(), authority.as_bytes(), scheme) {
            return None;
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        return Some(without_dots(&format!("{slash}{target}")));
    }
    let directory = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
    match reference.as_bytes() {
        [] => None,
        [b'/', ..] => Some(without_dots(reference)),
        [b'?', ..] => Some(format!("{path}{reference}")),
        _ => Some(without_dots(&format!("{directory}{reference}"))),
    }
}

/// Removes `.` and `..` from the path in front of a query (RFC 3986, 5.2.4).
fn without_dots(target: &str) -> String {
    let end = target.find('?').unwrap_or(target.len());
    let (path, query) = target.split_at_checked(end).unwrap_or((target, ""));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{super::test_lines::lines, *};
    use proptest::prelude::*;

    #[test]
    fn unsafe_methods_that_succeed_invalidate() {
        for (method, status, expected) in [
            ("POST", 200, true),
            ("PUT", 204, true),
            ("DELETE", 302, true),
            ("M-SEARCH", 200, true),
            ("PURGE", 200, true),
            ("POST", 500, false),
            ("POST", 404, false),
            ("POST", 100, false),
            ("GET", 200, false),
            ("HEAD", 200, false),
            ("OPTIONS", 200, false),
        ] {
            let (one, code) = (
                Method::from_bytes(method.as_bytes()).unwrap(),
                StatusCode::from_u16(status).unwrap(),
            );
            assert_eq!(invalidates(&one, code), expected, "{method} {status}");
        }
    }

    #[test]
    fn targets_on_the_same_host() {
        for (reference, expected) in [
            ("/a?b", Some("/a?b")),
            ("/a#b", Some("/a")),
            ("http://example.com/a", Some("/a")),
            ("HTTP://Example.com:80/a", Some("/a")),
            ("//example.com/a", Some("/a")),
            ("http://example.com", Some("/")),
            ("http://example.com?x", Some("/?x")),
            ("a", Some("/x/a")),
            ("./a", Some("/x/a")),
            ("../a/./b/..", Some("/a/")),
            ("/../a", Some("/a")),
            ("?b=c", Some("/x/y?b=c")),
            ("a?b=/../c", Some("/x/a?b=/../c")),
            ("/a?u=http://other/", Some("/a?u=http://other/")),
            ("", None),
            ("#b", None),
            ("https://example.com/a", None),
            ("http://example.com:8080/a", None),
            ("http://other/a", None),
            ("//other/a", None),
        ] {
            let found = resolve(reference, "http", "example.com", "/x/y");
            assert_eq!(found.as_deref(), expected, "{reference}");
        }
    }

    #[test]
    fn both_fields_count() {
        let lines = lines(&["location: /a", "content-location: b", "x-location: /c"]);
        assert_eq!(invalidated_targets(&lines, "http", "example.com", "/"), ["/a", "/b"]);
    }

    proptest! {
        #[test]
        fn nothing_panics(reference in "(http|https)?(:?//)?[a-z./?#:é]{0,20}", path in "/[a-z/.]{0,9}") {
            if let Some(target) = resolve(&reference, "http", "a", &path) {
                prop_assert!(target.starts_with('/'), "{}", target);
            }
        }
    }
}
