//! Names of header fields.

use http::HeaderName;

use crate::rfc::fields;

use super::format::TextFormat;

/// The name of a header that is passed on from trusted proxies, in lower case.
pub(super) const TRUSTED: TextFormat<String> =
    TextFormat::new("names of headers, such as Remote-User", trusted, String::clone);

/// Reads the name of a header that is passed on from trusted proxies; gives it in lower case.
fn trusted(text: &str) -> Result<String, String> {
    let name = HeaderName::try_from(text).map_err(|_| "this is not the name of a header")?;
    let lower = name.as_str();
    if lower.contains('*') {
        return Err("there are no wildcards: name each header".into());
    }
    if lower.contains('_') {
        let hyphens = lower.replace('_', "-");
        return Err(format!("names with _ are always dropped: write {hyphens}"));
    }
    if is_own(lower) || fields::is_hop_by_hop(&name) {
        return Err("the application always gets this one from Sideman: leave it out".into());
    }
    if lower == "proxy" {
        return Err("CGI takes this one for HTTP_PROXY: it is always dropped".into());
    }
    Ok(lower.to_owned())
}

/// Whether a header is made anew for each request (`pipeline/forward.rs`).
fn is_own(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "expect"
            | "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-port"
            | "x-real-ip"
            | "x-request-id"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, expected) in [
            ("Remote-User", Ok("remote-user")),
            ("X-FORWARDED-HOST", Ok("x-forwarded-host")),
            ("Forwarded", Ok("forwarded")),
            ("REMOTE_USER", Err("remote-user")),
            ("Remote User", Err("not the name")),
            ("Remote-User:", Err("not the name")),
            ("x-forwarded-*", Err("wildcard")),
            ("", Err("not the name")),
            ("X-Forwarded-For", Err("always gets")),
            ("Host", Err("always gets")),
            ("Transfer-Encoding", Err("always gets")),
            ("Proxy", Err("HTTP_PROXY")),
        ] {
            match (trusted(text), expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name, expected, "{text}"),
                (Err(fault), Err(part)) => assert!(fault.contains(part), "{text}: {fault}"),
                (received, _) => panic!("{text}: {received:?}"),
            }
        }
    }
}
