//! Upgrades to another protocol on a connection (RFC 9110, 7.8). WebSocket is the only one that is forwarded: `h2c` and
//! similar protocols would carry requests past every rule.

use http::{Method, Version};

use super::{
    fields,
    request_parts::{FieldName, Headers, RequestParts},
};

/// Whether a request asks for WebSocket in a form that can be forwarded (RFC 6455, 4.1): by GET, in HTTP/1.1, without a
/// body.
pub fn asks_for_websocket(request: &RequestParts) -> bool {
    let headers = &request.headers;
    // The rarest condition comes first.
    headers.contains(FieldName::Upgrade)
        && request.method == Method::GET
        && request.version == Version::HTTP_11
        && !headers.contains(FieldName::ContentLength)
        && !headers.contains(FieldName::TransferEncoding)
        && fields::connection_options(headers).any(|name| name.eq_ignore_ascii_case(b"upgrade"))
        && names_websocket(headers)
}

/// Whether `websocket` is among the protocols of the `Upgrade` fields.
pub fn names_websocket(headers: &Headers) -> bool {
    headers.get_all(FieldName::Upgrade).any(lists_websocket)
}

/// Whether `websocket` is among the protocols of one `Upgrade` field.
pub fn lists_websocket(value: &[u8]) -> bool {
    let mut protocols = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    protocols.any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::request_parts::RequestTarget;

    fn asks(method: &str, version: Version, fields: &[(&str, &str)]) -> bool {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = RequestParts::new(method, version, RequestTarget::new("/"));
        request.headers = fields.iter().copied().collect();
        asks_for_websocket(&request)
    }

    #[test]
    fn table() {
        const ONE: Version = Version::HTTP_11;
        let usual = [("connection", "upgrade"), ("upgrade", "websocket")];
        assert!(asks("GET", ONE, &usual));
        assert!(!asks("POST", ONE, &usual));
        assert!(!asks("GET", Version::HTTP_10, &usual));
        for (fields, expected) in [
            (&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")][..], true),
            (&[("connection", "keep-alive"), ("connection", "UPGRADE"), usual[1]], true),
            (&[usual[0], ("upgrade", "h2c , websocket")], true),
            (&[usual[0], ("upgrade", "h2c"), ("upgrade", "websocket")], true),
            (&[usual[0], ("upgrade", "h2c")], false),
            (&[usual[0], ("upgrade", "websocket/13")], false),
            (&[usual[0], ("upgrade", "xwebsocket")], false),
            (&[usual[0], ("upgrade", "")], false),
            (&[usual[0]], false),
            (&[usual[1]], false),
            (&[("connection", "upgrades"), usual[1]], false),
            (&[usual[0], usual[1], ("content-length", "0")], false),
            (&[usual[0], usual[1], ("transfer-encoding", "chunked")], false),
        ] {
            assert_eq!(asks("GET", ONE, fields), expected, "{fields:?}");
        }
    }
}
