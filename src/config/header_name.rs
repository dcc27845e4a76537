//! Names of headers.

use http::HeaderName;

use crate::rfc::fields;

use super::format::TextFormat;

/// The name of a header that is forwarded from trusted proxies, in lower case.
pub(super) const TRUSTED: TextFormat<String> =
    TextFormat::new("names of headers, such as Remote-User", trusted, String::clone);

/// The name of a header that an auth server sets for the application.
pub(super) const OF_AUTH: TextFormat<HeaderName> = TextFormat::new(
    "names of headers, such as Remote-User",
    |text| {
        trusted(text).and_then(|name| HeaderName::try_from(name).map_err(|error| error.to_string()))
    },
    HeaderName::to_string,
);

/// Reads the name of a header that is forwarded from trusted proxies, and returns it in lower case.
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
        return Err("Sideman always sets this header: remove it".into());
    }
    if lower == "proxy" {
        return Err(
            "CGI reads this header as HTTP_PROXY, so it is always dropped: remove it".into()
        );
    }
    Ok(lower.to_owned())
}

/// Returns whether Sideman sets the header in each request (`pipeline/forward.rs`).
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
            ("X-Forwarded-For", Err("always sets")),
            ("Host", Err("always sets")),
            ("Transfer-Encoding", Err("always sets")),
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
