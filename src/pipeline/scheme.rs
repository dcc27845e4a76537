//! The scheme of a request: `http` or `https`, also behind proxies.

use super::request_context::RequestContext;
use crate::rfc::{forwarded, request_parts::FieldName};

/// Returns the scheme that the client used, as far as Sideman can know it.
pub(super) fn of(context: &RequestContext) -> &'static str {
    if let Some(scheme) = context.local.app.plan.server.external_scheme {
        return scheme;
    }
    let claimed = forwarded::last(context.parts.headers.get_all(FieldName::XForwardedProto));
    let claimed = claimed.filter(|_| context.is_trusted);
    // Some proxies send the scheme of a WebSocket URL.
    let is = |name: &[u8]| claimed.is_some_and(|claimed| claimed.eq_ignore_ascii_case(name));
    match (is(b"https") || is(b"wss"), is(b"http") || is(b"ws")) {
        (true, _) => "https",
        // A proxy may use TLS to forward a request that it received without.
        (false, true) => "http",
        (false, false) if context.connection.is_tls() => "https",
        (false, false) => "http",
    }
}
