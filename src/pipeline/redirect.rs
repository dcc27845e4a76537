//! Redirects clients that use plain http at a trusted proxy to https (`server.redirect_https`).

use http::{HeaderValue, Method, StatusCode, header};

use super::{request_context::RequestContext, response::Response};
use crate::{
    body::Body,
    error::{Error, FailureKind},
    rfc::{forwarded, host, request_parts::FieldName, target},
};

/// Returns the redirect, if the request needs one. Requests that name no scheme come from inside and bypass the proxy,
/// so they pass.
pub(super) fn to_https(context: &RequestContext) -> Result<Option<Response>, Error> {
    if !context.local.app.plan.server.redirect_https || !context.is_trusted {
        return Ok(None);
    }
    let scheme = forwarded::last(context.parts.headers.get_all(FieldName::XForwardedProto));
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"http")) {
        return Ok(None);
    }
    let target = context.parts.path_and_query();
    // `OPTIONS *` is about the server, which has no other address.
    if !target.starts_with('/') {
        return Ok(None);
    }
    let host = context.host().ok_or_else(|| Error::new(FailureKind::HostMissing))?;
    // 308 keeps the method and the body (RFC 9110, 15.4.9); old clients know only 301.
    let is_read = context.parts.method == Method::GET || context.parts.method == Method::HEAD;
    let status =
        if is_read { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    let mut response = Response::new(status, Body::Empty);
    let headers = &mut response.head.headers;
    headers.insert(header::LOCATION, location(host, &target::escape(target))?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    // A cache in front of the proxy that ignores the scheme would redirect https to itself.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// Returns the URL of the same target with https. Both parts were checked: a host holds no `/`, `@` or `\`, and a
/// target begins with `/`. So the URL's host is the one that was requested.
fn location(host: &[u8], target: &str) -> Result<HeaderValue, Error> {
    let host = match host::split_port(host) {
        // The port of http tells nothing about the port of https; other ports were chosen on purpose.
        Some((name, b"80" | b"")) => name,
        Some(_) | None => host,
    };
    let url = [b"https://", host, target.as_bytes()].concat();
    HeaderValue::from_bytes(&url).map_err(|_| Error::new(FailureKind::TargetInvalid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (host, target, expected) in [
            ("example.org", "/", "https://example.org/"),
            ("example.org:80", "/a?", "https://example.org/a?"),
            ("example.org:", "/a", "https://example.org/a"),
            ("example.org:8443", "/a", "https://example.org:8443/a"),
            ("example.org:8080", "/a", "https://example.org:8080/a"),
            ("[::1]:80", "/a%2Fb;c?d=e|f", "https://[::1]/a%2Fb;c?d=e|f"),
            ("Example.ORG.", "//other.test/x", "https://Example.ORG.//other.test/x"),
        ] {
            let location = location(host.as_bytes(), target).unwrap();
            assert_eq!(location.as_bytes(), expected.as_bytes(), "{host} {target}");
        }
        assert!(location(b"example.org", "/a\r\nSet-Cookie: b=c").is_err());
    }
}
