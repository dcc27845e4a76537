//! Another protocol on the same connection (RFC 9110, 7.8). WebSocket is the only one that goes on:
//! `h2c` and the like would carry requests past every rule there is.

use http::{HeaderMap, Method, Version, header, request::Parts};

use super::fields;

/// Whether a request asks for WebSocket in a way that can be passed on (RFC 6455, 4.1): by GET, in
/// HTTP/1.1, without a body.
pub fn asks_for_websocket(request: &Parts) -> bool {
    let headers = &request.headers;
    // First what hardly any request has.
    headers.contains_key(header::UPGRADE)
        && request.method == Method::GET
        && request.version == Version::HTTP_11
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && fields::connection_options(headers).any(|name| name.eq_ignore_ascii_case(b"upgrade"))
        && names_websocket(headers)
}

/// Whether `websocket` is among the protocols of the `Upgrade` fields.
pub fn names_websocket(headers: &HeaderMap) -> bool {
    headers.get_all(header::UPGRADE).iter().any(|value| lists_websocket(value.as_bytes()))
}

/// Whether `websocket` is among the protocols of one `Upgrade` field.
pub fn lists_websocket(value: &[u8]) -> bool {
    let mut protocols = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    protocols.any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn asks(method: &str, version: Version, fields: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).version(version).uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        asks_for_websocket(&request.body(()).unwrap().into_parts().0)
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
