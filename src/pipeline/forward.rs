//! Makes a request fit for the application: what belongs to the client's connection and what a
//! stranger could forge stays behind, one canonical set of forwarding headers goes with it.

use std::sync::atomic::Ordering;

use http::{HeaderName, HeaderValue, header};
use http_body::Body;

use super::record::{Record, X_FORWARDED_FOR, X_FORWARDED_PROTO};
use crate::{
    rfc::{fields, forwarded, host, upgrade},
    upstream::{Framing, Origin, RequestHead},
};

const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What happens to a field of the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    /// Said anew by Sideman or by the codec.
    Rewritten,
    /// It could make the application believe something.
    Forged,
}

/// The head that the application gets. `client` is the client's address as text; `fallback_host`
/// is for HTTP/1.0 requests without one; `digits` is room for the port.
pub(super) fn head<'a>(
    record: &'a Record,
    client: &'a str,
    fallback_host: &'a str,
    digits: &'a mut itoa::Buffer,
) -> RequestHead<'a> {
    let headers = &record.parts.headers;
    let has_named = fields::names_more(headers);
    let mut passed: Vec<(&[u8], &[u8])> = Vec::with_capacity(headers.len() + 6);
    let host = record.host().unwrap_or(fallback_host.as_bytes());
    let scheme = scheme(record);
    let port = port(record, host, scheme);
    passed.push((b"host", host));
    let mut forged = 0;
    for (name, value) in headers {
        match fate(name, record.is_trusted) {
            Fate::Pass if has_named && fields::is_named_by_connection(headers, name) => {}
            Fate::Pass => passed.push((name.as_str().as_bytes(), value.as_bytes())),
            Fate::Rewritten => {}
            Fate::Forged => forged += 1,
        }
    }
    passed.push((b"x-forwarded-for", client.as_bytes()));
    passed.push((b"x-forwarded-proto", scheme.as_bytes()));
    passed.push((b"x-forwarded-port", digits.format(port).as_bytes()));
    passed.push((b"x-real-ip", client.as_bytes()));
    passed.push((b"x-request-id", record.request_id()));
    if upgrade::asks_for_websocket(&record.parts) {
        passed.extend([(&b"connection"[..], &b"upgrade"[..]), (b"upgrade", b"websocket")]);
    }
    if forged > 0 {
        record.local.metrics.headers_dropped.add(forged);
    }
    tell_of_stranger(record);
    RequestHead {
        method: &record.parts.method,
        target: record.parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        fields: passed,
        origin: Origin {
            client,
            client_port: match record.client == record.connection.address {
                true => record.connection.port,
                false => None,
            },
            scheme,
            host,
            port,
            version: record.parts.version,
        },
    }
}

/// How the body's end will be told: by its length if the client told it.
pub(super) fn framing(record: &Record, body: &impl Body) -> Framing {
    match body.size_hint().exact() {
        Some(0) if !record.parts.headers.contains_key(header::CONTENT_LENGTH) => Framing::None,
        Some(length) => Framing::Length(length),
        None => Framing::Chunked,
    }
}

fn fate(name: &HeaderName, is_trusted: bool) -> Fate {
    match name.as_str() {
        "host" | "content-length" | "expect" | "x-request-id" => Fate::Rewritten,
        "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-port" if is_trusted => {
            Fate::Rewritten
        }
        // CVE-2016-5385: CGI makes HTTP_PROXY of it.
        "proxy" | "forwarded" | "x-forwarded" | "x-real-ip" => Fate::Forged,
        name if name.starts_with("x-forwarded-") => Fate::Forged,
        // WSGI can't tell `X_Forwarded_For` from `X-Forwarded-For`.
        name if name.contains('_') => Fate::Forged,
        _ if fields::is_hop_by_hop(name) => Fate::Rewritten,
        _ => Fate::Pass,
    }
}

/// The scheme that the client used, as far as it can be known.
pub(super) fn scheme(record: &Record) -> &'static str {
    let told = forwarded::last(record.parts.headers.get_all(X_FORWARDED_PROTO).iter());
    let told = told.filter(|_| record.is_trusted);
    // Some proxies name the scheme of a WebSocket's address.
    let is = |name: &[u8]| told.is_some_and(|told| told.eq_ignore_ascii_case(name));
    match (is(b"https") || is(b"wss"), is(b"http") || is(b"ws")) {
        (true, _) => "https",
        // A proxy may come by TLS with what it has got without.
        (false, true) => "http",
        (false, false) if record.connection.is_tls() => "https",
        (false, false) => "http",
    }
}

/// The port that the client came to, as far as it can be known.
fn port(record: &Record, host: &[u8], scheme: &str) -> u16 {
    let told = forwarded::last(record.parts.headers.get_all(X_FORWARDED_PORT).iter());
    if record.is_trusted
        && let Some(port) = told.and_then(forwarded::port)
    {
        return port;
    }
    let named = host::split_port(host).and_then(|(_, digits)| forwarded::port(digits));
    match (named, scheme) {
        (Some(port), _) => port,
        (None, _) if !record.is_trusted => record.connection.server_port(),
        (None, "https") => 443,
        (None, _) => 80,
    }
}

/// The usual mistake behind a load balancer, told once: it is not among the trusted proxies.
fn tell_of_stranger(record: &Record) {
    if record.is_trusted || !record.parts.headers.contains_key(X_FORWARDED_FOR) {
        return;
    }
    let app = &record.local.app;
    if app.warned_of_stranger.load(Ordering::Relaxed)
        || app.warned_of_stranger.swap(true, Ordering::Relaxed)
    {
        return;
    }
    tracing::warn!(
        peer = %record.connection.address,
        "X-Forwarded-For and X-Forwarded-Proto are ignored: the peer is not in \
         server.trusted_proxies; if it is your load balancer, add its network there, such as \
         SIDEMAN_TRUSTED_PROXIES=10.0.0.0/8, or alb on AWS, or private"
    );
}

/// Gives the answer the id of its request, unless the application did.
pub(super) fn request_id(record: &Record) -> Option<HeaderValue> {
    HeaderValue::from_bytes(record.request_id()).ok()
}
