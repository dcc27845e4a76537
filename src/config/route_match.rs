//! The words of routes: methods, ports, directions of streaming, requests to log, and responses to denied requests.

use http::Method;

use crate::plan::{DenyResponse, RouteLog, Streaming};

use super::format::{FormatProperties, TextFormat};

/// A method.
pub(super) const METHOD: TextFormat<Method> =
    TextFormat::new("methods in upper case, such as POST", method, Method::to_string)
        .with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

/// A port of a listener.
pub(super) const PORT: TextFormat<u16> =
    TextFormat::new("ports from 1 to 65535, such as 8080", port, u16::to_string)
        .with(FormatProperties { stands_alone: true, ..FormatProperties::PLAIN });

/// The directions to stream.
pub(super) const DIRECTIONS: &[(&str, Streaming)] = &[
    ("request", Streaming { request: true, response: false }),
    ("response", Streaming { request: false, response: true }),
    ("both", Streaming { request: true, response: true }),
    ("none", Streaming { request: false, response: false }),
];

/// The requests that have a line in the access log.
pub(super) const LOGGED: &[(&str, RouteLog)] =
    &[("all", RouteLog::All), ("failing", RouteLog::Failing), ("off", RouteLog::Off)];

/// The responses to requests that a route denies.
pub(super) const DENY_RESPONSES: &[(&str, DenyResponse)] =
    &[("403", DenyResponse::Forbidden), ("close", DenyResponse::Close)];

/// Reads a port.
fn port(text: &str) -> Result<u16, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| "must be a number from 1 to 65535, without an address".to_owned())
}

/// Reads a method. Methods are case-sensitive (RFC 9110, 9.1).
fn method(text: &str) -> Result<Method, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(format!("write {}", text.to_ascii_uppercase()));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE) => {
            Err("requests with this method are always refused".into())
        }
        Ok(method)
            if method.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') =>
        {
            Ok(method)
        }
        Ok(_) | Err(_) => Err("this is not a method".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        assert_eq!((port("1"), port("8080"), port("65535")), (Ok(1), Ok(8080), Ok(65535)));
        for text in ["", "0", "080", "+80", "65536", ":80", "0.0.0.0:80", "http"] {
            assert!(port(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn methods() {
        assert_eq!(method("GET"), Ok(Method::GET));
        assert_eq!(method("PURGE").unwrap().as_str(), "PURGE");
        assert_eq!(method("get"), Err("write GET".into()));
        assert_eq!(method("TRACE"), Err("requests with this method are always refused".into()));
        for text in ["", "G T", "Get", "GET,POST"] {
            assert_eq!(method(text), Err("this is not a method".into()), "{text:?}");
        }
    }
}
