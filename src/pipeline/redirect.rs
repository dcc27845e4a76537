//! Redirects clients that use plain http to https (`server.redirect_https`): at a trusted proxy, or at a listener of
//! Sideman beside one for TLS.

use std::borrow::Cow;

use http::{HeaderValue, Method, StatusCode, header};

use super::{request_context::RequestContext, response::Response, routes::Action};
use crate::{
    acme::CHALLENGE_PATH,
    body::Body,
    error::{Error, FailureKind},
    plan::{ListenAddress, Plan},
    rfc::{forwarded, host, request_parts::FieldName, target},
};

/// The place at which a client used plain http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlainHttp {
    AtProxy,
    AtListener,
}

/// Returns the redirect, if the request needs one.
pub(super) fn to_https(context: &RequestContext) -> Result<Option<Response>, Error> {
    let plan = &context.local.app.plan;
    if !plan.server.redirect_https {
        return Ok(None);
    }
    let Some(place) = plain_http(context).filter(|_| !is_challenge(context)) else {
        return Ok(None);
    };
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
    let host = match place {
        PlainHttp::AtProxy => behind_proxy(host),
        PlainHttp::AtListener => at_tls_listener(plan, host),
    };
    headers.insert(header::LOCATION, location(&host, &target::escape(target))?);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    // A cache in front of the proxy that ignores the scheme would redirect https to itself.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(response))
}

/// Returns where the client used plain http, if it did.
fn plain_http(context: &RequestContext) -> Option<PlainHttp> {
    let plan = &context.local.app.plan;
    if context.is_trusted {
        // Requests that name no scheme come from inside and bypass the proxy, so they pass.
        let scheme = forwarded::last(context.parts.headers.get_all(FieldName::XForwardedProto))?;
        return scheme.eq_ignore_ascii_case(b"http").then_some(PlainHttp::AtProxy);
    }
    // If something in front of the listener terminates TLS, a redirect would lead back here.
    let is_https = context.connection.is_tls() || plan.server.external_scheme == Some("https");
    (plan.tls.is_some() && !is_https).then_some(PlainHttp::AtListener)
}

/// Whether a route or a directory of files answers a certificate authority.
fn is_challenge(context: &RequestContext) -> bool {
    context.path.normal().is_some_and(|path| path.starts_with(CHALLENGE_PATH.as_bytes()))
        && !matches!(context.policies.actions.first(), None | Some(Action::Upstream(None)))
}

/// Returns the host for https at the proxy. The port of http tells nothing about the port of https; other ports were
/// chosen on purpose.
fn behind_proxy(host: &[u8]) -> Cow<'_, [u8]> {
    match host::split_port(host) {
        Some((name, b"80" | b"")) => name.into(),
        Some(_) | None => host.into(),
    }
}

/// Returns the host for https at the TLS listener. A client that names the port of a plain listener sees the ports as
/// they are. For others something maps the ports, presumably to that of https.
fn at_tls_listener<'a>(plan: &Plan, host: &'a [u8]) -> Cow<'a, [u8]> {
    let Some((name, requested)) = host::split_port(host) else { return host.into() };
    let requested = match requested {
        b"" => Some(80),
        digits => std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()),
    };
    let is_listener = |one: &ListenAddress| requested.is_some() && port(one) == requested;
    let tls_port = plan.tls.as_ref().and_then(|tls| tls.listen.iter().find_map(port));
    match tls_port {
        Some(port) if port != 443 && plan.server.listen.iter().any(is_listener) => {
            [name, format!(":{port}").as_bytes()].concat().into()
        }
        Some(_) | None => name.into(),
    }
}

fn port(listen: &ListenAddress) -> Option<u16> {
    match listen {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    }
}

/// Returns the URL of the same target with https. Both parts were checked: a host holds no `/`, `@` or `\`, and a
/// target begins with `/`. So the URL's host is the one that was requested.
fn location(host: &[u8], target: &str) -> Result<HeaderValue, Error> {
    let url = [b"https://", host, target.as_bytes()].concat();
    HeaderValue::from_bytes(&url).map_err(|_| Error::new(FailureKind::TargetInvalid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::TlsSettings;

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
            let location = location(&behind_proxy(host.as_bytes()), target).unwrap();
            assert_eq!(location.as_bytes(), expected.as_bytes(), "{host} {target}");
        }
        assert!(location(b"example.org", "/a\r\nSet-Cookie: b=c").is_err());
    }

    #[test]
    fn port_of_the_tls_listener_follows_unmapped_ports() {
        let plan = |plain: &[&str], tls: &[&str]| {
            let addresses = |all: &[&str]| {
                let tcp = |one: &&str| ListenAddress::Tcp(one.parse().unwrap());
                all.iter().map(tcp).collect()
            };
            let mut plan = Plan { tls: Some(TlsSettings::default()), ..Plan::default() };
            plan.server.listen = addresses(plain);
            plan.tls.as_mut().unwrap().listen = addresses(tls);
            plan
        };
        let privileged = plan(&["0.0.0.0:80"], &["0.0.0.0:443", "[::]:443"]);
        let unprivileged = plan(&["[::]:8080"], &["0.0.0.0:8443"]);
        let mixed = plan(&["0.0.0.0:80", "0.0.0.0:8080"], &["0.0.0.0:8443"]);
        for (plan, host, expected) in [
            (&privileged, "example.org", "example.org"),
            (&privileged, "example.org:80", "example.org"),
            (&privileged, "example.org:8000", "example.org"),
            (&unprivileged, "localhost:8080", "localhost:8443"),
            (&unprivileged, "[::1]:8080", "[::1]:8443"),
            (&unprivileged, "example.org", "example.org"),
            (&unprivileged, "example.org:8000", "example.org"),
            (&unprivileged, "example.org:99999", "example.org"),
            (&mixed, "example.org", "example.org:8443"),
            (&mixed, "example.org:", "example.org:8443"),
        ] {
            let found = at_tls_listener(plan, host.as_bytes());
            assert_eq!(&*found, expected.as_bytes(), "{host} {:?}", plan.server.listen);
        }
    }
}
