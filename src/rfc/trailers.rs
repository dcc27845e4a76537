//! Trailers (RFC 9110, 6.5): which fields are allowed, and which recipients accept them.

use http::{HeaderName, HeaderValue};

use super::{
    fields,
    request_parts::{FieldName, Headers},
};

/// Whether a field has one meaning as a trailer and as a header field. Fields that frame, route, authenticate or
/// describe how to read the body do not (RFC 9110, 6.5.1), and neither do cookies.
pub fn is_allowed(name: &HeaderName) -> bool {
    let text = name.as_str();
    let is_early = matches!(
        text,
        "age"
            | "authorization"
            | "cache-control"
            | "cookie"
            | "date"
            | "etag"
            | "expect"
            | "expires"
            | "forwarded"
            | "host"
            | "last-modified"
            | "location"
            | "max-forwards"
            | "pragma"
            | "range"
            | "retry-after"
            | "set-cookie"
            | "strict-transport-security"
            | "vary"
            | "via"
            | "warning"
            | "www-authenticate"
            | "x-real-ip"
            | "x-request-id"
            | "x-sendfile"
    );
    let is_of_a_kind = ["content-", "access-control-", "if-", "proxy-", "x-accel-", "x-forwarded-"]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    !is_early && !is_of_a_kind && !fields::is_hop_by_hop(name)
}

/// Returns the names of the `Trailer` fields that may be announced; `None` if there are none.
pub fn announced(values: &[&[u8]]) -> Option<HeaderValue> {
    let names = values.iter().flat_map(|value| value.split(|&byte| byte == b','));
    let names = names.map(<[u8]>::trim_ascii);
    let names = names.filter_map(|name| HeaderName::from_bytes(name).ok());
    let allowed: Vec<String> =
        names.filter(is_allowed).map(|name| name.as_str().to_owned()).collect();
    if allowed.is_empty() { None } else { HeaderValue::from_str(&allowed.join(", ")).ok() }
}

/// Whether a `Trailer` field lists a name.
pub fn lists(announced: &HeaderValue, name: &HeaderName) -> bool {
    let mut names = announced.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    names.any(|one| one.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Whether a request accepts trailers (RFC 9110, 10.1.4).
pub fn are_taken(request: &Headers) -> bool {
    request.get_all(FieldName::Te).any(|value| {
        let mut codings = value.split(|&byte| byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_fields_are_not_announced_as_trailers() {
        for (value, expected) in [
            ("X-Checksum", Some("x-checksum")),
            ("X-Checksum,Server-Timing", Some("x-checksum, server-timing")),
            ("Content-Length, X-Checksum , Transfer-Encoding", Some("x-checksum")),
            ("Set-Cookie, Host, Authorization, Trailer, Connection", None),
            ("Content-Type, Access-Control-Allow-Origin, X-Accel-Redirect", None),
            ("bad name, , ", None),
        ] {
            let received = announced(&[value.as_bytes()]);
            assert_eq!(received, expected.map(HeaderValue::from_static), "{value}");
        }
    }

    #[test]
    fn te_trailers_is_recognised() {
        for (value, expected) in
            [("trailers", true), ("gzip;q=0.5, Trailers", true), ("gzip", false), ("", false)]
        {
            let headers = Headers::from_iter([("te", value)]);
            assert_eq!(are_taken(&headers), expected, "{value}");
        }
    }
}
