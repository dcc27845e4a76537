//! Header fields that belong to one connection and must not be forwarded (RFC 9110, 7.6.1).

use http::HeaderName;

use super::request_parts::{FieldName, Headers};

/// Whether a field always belongs to the connection, even if `Connection` does not list it.
///
/// `Trailer` belongs to the trailers themselves. `Proxy-Authenticate` and related fields are between a client and its
/// forward proxy.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    is_hop_by_hop_name(FieldName::of(name.as_str().as_bytes()))
}

/// Whether the name of a field, already looked up, is hop-by-hop. Names that are not listed are not.
pub fn is_hop_by_hop_name(name: FieldName) -> bool {
    matches!(
        name,
        FieldName::Connection
            | FieldName::KeepAlive
            | FieldName::ProxyAuthenticate
            | FieldName::ProxyAuthorization
            | FieldName::ProxyAuthenticationInfo
            | FieldName::ProxyConnection
            | FieldName::Te
            | FieldName::Trailer
            | FieldName::TransferEncoding
            | FieldName::Upgrade
            | FieldName::Http2Settings
    )
}

/// Whether the `Connection` field names anything besides `close` and `keep-alive`. That is rare, so callers handle it
/// separately.
pub fn names_more(headers: &Headers) -> bool {
    connection_options(headers).any(|option| {
        !option.eq_ignore_ascii_case(b"close") && !option.eq_ignore_ascii_case(b"keep-alive")
    })
}

/// Whether the `Connection` field names this field (RFC 9110, 7.6.1).
pub fn is_named_by_connection(headers: &Headers, name: &[u8]) -> bool {
    connection_options(headers).any(|option| option.eq_ignore_ascii_case(name))
}

/// Iterates over the options of all `Connection` fields.
pub fn connection_options(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(FieldName::Connection)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header;

    #[test]
    fn connection_names_fields() {
        let headers =
            Headers::from_iter([("Connection", "keep-alive, , X-Secret"), ("connection", "close")]);
        assert!(names_more(&headers));
        assert!(is_named_by_connection(&headers, b"x-secret"));
        assert!(!is_named_by_connection(&headers, b"x-other"));
        let headers = Headers::from_iter([("connection", "Keep-Alive,close")]);
        assert!(!names_more(&headers));
    }

    #[test]
    fn hop_by_hop() {
        assert!(is_hop_by_hop(&header::TRANSFER_ENCODING));
        assert!(is_hop_by_hop(&HeaderName::from_static("keep-alive")));
        assert!(!is_hop_by_hop(&header::COOKIE));
    }
}
