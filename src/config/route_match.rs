//! The words of routes: methods, directions of streaming, requests to log, and responses to denied requests.

use http::Method;

use crate::plan::{DenyResponse, RouteLog, Streaming};

use super::format::{FormatProperties, TextFormat};

/// A method.
pub(super) const METHOD: TextFormat<Method> =
    TextFormat::new("methods in upper case, such as POST", method, Method::to_string)
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
