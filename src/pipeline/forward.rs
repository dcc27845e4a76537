//! Makes the header fields that the application gets. It drops the fields of the client's connection and those that a
//! client could forge, and adds one canonical set of forwarding headers.

use std::sync::atomic::{AtomicBool, Ordering};

use http_body::Body;

use super::{
    max_forwards, replacements::Replacements, request_context::RequestContext,
    request_start::RequestStart, routes::Forwarding, scheme,
};
use crate::{
    rfc::{
        client_address, fields, forwarded, host, identity,
        request_parts::FieldName,
        trace,
        trace_context::{AMAZON_LENGTH, TRACEPARENT_LENGTH},
        upgrade,
    },
    upstream::{RequestFraming, RequestOrigin, UpstreamRequestHead},
};

/// What happens to a field that the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldAction {
    Pass,
    /// Sideman or the codec writes a field of its own instead, or the field was for Sideman.
    Rewritten,
    /// The field is dropped, because it could deceive the application.
    Forged,
    /// The field is dropped, because it names the user and is not among `server.trusted_headers`.
    Identity,
    /// The field is dropped, because it has another client's address, and is not among `server.trusted_headers`.
    ClientAddress,
}

/// Memory for the values of header fields that Sideman makes.
#[derive(Default)]
pub(super) struct HeaderBuffers {
    port: itoa::Buffer,
    hops: itoa::Buffer,
    start: RequestStart,
    traceparent: Option<[u8; TRACEPARENT_LENGTH]>,
    amazon: Option<[u8; AMAZON_LENGTH]>,
}

/// Returns the head that the application gets. `client` is the client's address as text; `fallback_host` is the host
/// for HTTP/1.0 requests that have none. `replacements` are what the routes of the request set.
pub(super) fn head<'a>(
    context: &'a RequestContext,
    client: &'a str,
    (fallback_host, replacements): (&'a str, &'a Replacements),
    buffers: &'a mut HeaderBuffers,
) -> UpstreamRequestHead<'a> {
    let headers = &context.parts.headers;
    let mut forwarded_fields: Vec<(&[u8], &[u8])> = Vec::with_capacity(headers.len() + 9);
    let host = replacements.host_of(context, fallback_host);
    let scheme = scheme::of(context);
    // The fallback host's port is the application's own.
    let named_port = named_port(context);
    let port = port(context, named_port, scheme);
    forwarded_fields.push((b"host", host));
    let forged = append_client_fields(context, &mut forwarded_fields);
    if let Some(hops) = hops(context) {
        forwarded_fields.push((b"max-forwards", buffers.hops.format(hops - 1).as_bytes()));
    }
    if let Some(fields) = &context.auth_fields {
        forwarded_fields.extend(fields.request());
    }
    forwarded_fields.push((b"x-forwarded-for", client.as_bytes()));
    forwarded_fields.push((b"x-forwarded-proto", scheme.as_bytes()));
    forwarded_fields.push((b"x-forwarded-port", buffers.port.format(port).as_bytes()));
    forwarded_fields.push((b"x-real-ip", client.as_bytes()));
    forwarded_fields.push((b"x-request-id", context.request_id()));
    forwarded_fields.push(context.local.app.loop_token.field());
    if !keeps_request_start(context) {
        forwarded_fields.push((b"x-request-start", buffers.start.of(context)));
    }
    if let Some(traceparent) = traceparent(context) {
        forwarded_fields.push((b"traceparent", buffers.traceparent.insert(traceparent)));
    }
    if let Some(amazon) = context.trace.as_ref().and_then(|trace| trace.amazon()) {
        forwarded_fields.push((b"x-amzn-trace-id", buffers.amazon.insert(amazon)));
    }
    if upgrade::asks_for_websocket(&context.parts) {
        forwarded_fields
            .extend([(&b"connection"[..], &b"upgrade"[..]), (b"upgrade", b"websocket")]);
    }
    let Forwarding { script_name, headers: edits, .. } = &context.policies.forwarding;
    let script_name = script_name.as_deref().unwrap_or_default();
    if !script_name.is_empty() {
        forwarded_fields.push((b"SCRIPT_NAME", script_name.as_bytes()));
    }
    replacements.apply(edits, &mut forwarded_fields);
    if forged > 0 {
        context.local.metrics.headers_dropped.add(forged);
    }
    warn_untrusted_peer(context);
    UpstreamRequestHead {
        method: &context.parts.method,
        target: replacements.target_of(context),
        fields: forwarded_fields,
        origin: RequestOrigin {
            client,
            client_port: match context.client == context.connection.address {
                true => context.connection.port,
                false => None,
            },
            scheme,
            host,
            // If the client names the port, that is the port it connected to; a listener behind a proxy has another.
            port: named_port.unwrap_or(port),
            version: context.parts.version,
            script_name,
        },
    }
}

/// Appends the client's fields that are forwarded. Returns the number of those that are dropped because they could
/// deceive the application.
pub(super) fn append_client_fields<'a>(
    context: &'a RequestContext,
    to: &mut Vec<(&'a [u8], &'a [u8])>,
) -> u64 {
    let headers = &context.parts.headers;
    let has_named = fields::names_more(headers);
    let has_hops = hops(context).is_some();
    let mut forged = 0;
    for (known, name, value) in headers.iter() {
        match action(known, (name, value), context) {
            FieldAction::Pass if has_named && fields::is_named_by_connection(headers, name) => {}
            FieldAction::Pass if has_hops && known == FieldName::MaxForwards => {}
            FieldAction::Pass => to.push((name, value)),
            FieldAction::Rewritten => {}
            FieldAction::Forged => forged += 1,
            FieldAction::Identity => {
                forged += 1;
                warn_identity_header(context, name);
            }
            FieldAction::ClientAddress => {
                forged += 1;
                warn_client_address(context, name);
            }
        }
    }
    forged
}

/// Whether the application gets a field as the client has sent it.
pub(super) fn is_passed(context: &RequestContext, known: FieldName, field: (&[u8], &[u8])) -> bool {
    action(known, field, context) == FieldAction::Pass
        && !fields::is_named_by_connection(&context.parts.headers, field.0)
}

/// Whether a trusted proxy says in a field who the user is: in one of `server.trusted_headers` that is not about
/// the client's address.
pub(super) fn identifies_user(context: &RequestContext) -> bool {
    let believed = &context.local.app.plan.server.trusted_headers;
    context.is_trusted
        && !believed.is_empty()
        && context.parts.headers.iter().any(|(_, name, _)| {
            let is_it = |one: &String| one.as_bytes() == name;
            believed.iter().any(is_it)
                && !std::str::from_utf8(name).is_ok_and(client_address::is_client_address)
        })
}

/// Whether a field differs for each client or each request, because it says who or which one it is.
pub(super) fn is_made(name: &str) -> bool {
    matches!(
        name,
        "x-forwarded-for"
            | "forwarded"
            | "x-real-ip"
            | "x-request-id"
            | "x-request-start"
            | "traceparent"
            | "cdn-loop"
    )
}

/// Returns how many hops a request may still make, if it says so.
fn hops(context: &RequestContext) -> Option<u64> {
    max_forwards::left(&context.parts).filter(|&hops| hops > 0)
}

/// Returns how the end of the body is marked: by its length, if the client has announced it.
pub(super) fn framing(context: &RequestContext, body: &impl Body) -> RequestFraming {
    match body.size_hint().exact() {
        Some(0) if !context.parts.headers.contains(FieldName::ContentLength) => {
            RequestFraming::None
        }
        Some(length) => RequestFraming::Length(length),
        None => RequestFraming::Chunked,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most names are listed because they are common")]
fn action(
    known: FieldName,
    (name, value): (&[u8], &[u8]),
    context: &RequestContext,
) -> FieldAction {
    let is_trusted = context.is_trusted;
    let of_auth =
        context.policies.auth_headers.iter().find(|one| one.name.as_str().as_bytes() == name);
    // The auth server alone sets it, whoever the client is.
    if of_auth.is_some_and(|one| one.is_here) {
        return FieldAction::Forged;
    }
    let believed = &context.local.app.plan.server.trusted_headers;
    if believed.iter().any(|believed| believed.as_str().as_bytes() == name) {
        return match is_trusted {
            true if context.replaces_trace_field(known) => FieldAction::Rewritten,
            true => FieldAction::Pass,
            false => FieldAction::Forged,
        };
    }
    // An application believes it also in requests of routes without the auth server.
    if of_auth.is_some() {
        return FieldAction::Forged;
    }
    match known {
        FieldName::Host | FieldName::ContentLength | FieldName::Expect | FieldName::XRequestId => {
            FieldAction::Rewritten
        }
        FieldName::XForwardedFor | FieldName::XForwardedProto | FieldName::XForwardedPort
            if is_trusted =>
        {
            FieldAction::Rewritten
        }
        FieldName::XForwardedFor | FieldName::XForwardedProto | FieldName::XForwardedPort => {
            FieldAction::Forged
        }
        FieldName::XRequestStart if !is_trusted => FieldAction::Forged,
        FieldName::XRequestStart if !keeps_request_start(context) => FieldAction::Rewritten,
        // CVE-2016-5385: CGI turns this field into HTTP_PROXY.
        FieldName::Proxy | FieldName::Forwarded | FieldName::XForwarded | FieldName::XRealIp => {
            FieldAction::Forged
        }
        FieldName::Traceparent | FieldName::XAmznTraceId if context.replaces_trace_field(known) => {
            FieldAction::Rewritten
        }
        FieldName::Authorization if context.is_authorization_used => FieldAction::Rewritten,
        FieldName::Other => action_of_other(name, value, context),
        _ if fields::is_hop_by_hop_name(known) => FieldAction::Rewritten,
        _ => FieldAction::Pass,
    }
}

/// Returns the action for a name that is not listed. None of those is hop-by-hop.
fn action_of_other(name: &[u8], value: &[u8], context: &RequestContext) -> FieldAction {
    let text = std::str::from_utf8(name).unwrap_or_default();
    if identity::is_identity(text) {
        return FieldAction::Identity;
    }
    if client_address::is_client_address(text) && !is_known_client(value, context) {
        return FieldAction::ClientAddress;
    }
    // It belongs to the trace that the client has named.
    if text == "tracestate" && context.trace.as_ref().is_some_and(|trace| !trace.is_of_traceparent)
    {
        return FieldAction::Rewritten;
    }
    // WSGI cannot tell `X_Forwarded_For` from `X-Forwarded-For`.
    if text.starts_with("x-forwarded-") || text.contains('_') {
        return FieldAction::Forged;
    }
    FieldAction::Pass
}

/// Whether a trusted proxy names the client that `X-Forwarded-For` names too. A load balancer passes on what its
/// clients send in the header of a CDN, so that nothing else is reliable.
fn is_known_client(value: &[u8], context: &RequestContext) -> bool {
    let value = value.trim_ascii();
    let is_client = |address: &[u8]| forwarded::address(address) == Some(context.client);
    // CloudFront writes the port behind an address without brackets.
    let without_port = || value.rsplitn(2, |&byte| byte == b':').nth(1);
    context.is_trusted && (is_client(value) || without_port().is_some_and(is_client))
}

/// Whether the time at which a trusted proxy received the request is forwarded: it includes the time in its queue.
fn keeps_request_start(context: &RequestContext) -> bool {
    let mut values = context.parts.headers.get_all(FieldName::XRequestStart);
    context.is_trusted
        && values.next().is_some_and(trace::is_request_start)
        && values.next().is_none()
}

/// Returns the `traceparent` of a traced request, or that for a request without one that a load balancer of AWS has
/// given a trace id.
fn traceparent(context: &RequestContext) -> Option<[u8; TRACEPARENT_LENGTH]> {
    if let Some(trace) = &context.trace {
        return trace.traceparent();
    }
    let headers = &context.parts.headers;
    if headers.contains(FieldName::Traceparent) {
        return None;
    }
    let value = headers.get_str(FieldName::XAmznTraceId)?;
    let span = || context.local.new_id().first_chunk().copied().unwrap_or_default();
    trace::traceparent_of_amazon(value, span)
}

/// Returns the port in the host that the request is for.
pub(super) fn named_port(context: &RequestContext) -> Option<u16> {
    let (_, digits) = host::split_port(context.host()?)?;
    forwarded::port(digits)
}

/// Returns the port that the client connected to, as far as Sideman can know it.
pub(super) fn port(context: &RequestContext, named: Option<u16>, scheme: &str) -> u16 {
    let claimed = forwarded::last(context.parts.headers.get_all(FieldName::XForwardedPort));
    if context.is_trusted
        && let Some(port) = claimed.and_then(forwarded::port)
    {
        return port;
    }
    let is_set = context.local.app.plan.server.external_scheme.is_some();
    match (named, scheme) {
        (Some(port), _) => port,
        (None, _) if !context.is_trusted && !is_set => context.connection.server_port,
        (None, "https") => 443,
        (None, _) => 80,
    }
}

/// Returns the port that the application gets.
pub(super) fn port_of(context: &RequestContext, scheme: &str) -> u16 {
    let named = named_port(context);
    named.unwrap_or_else(|| port(context, named, scheme))
}

/// Whether this is the first call.
fn is_first(warned: &AtomicBool) -> bool {
    !warned.load(Ordering::Relaxed) && !warned.swap(true, Ordering::Relaxed)
}

/// Warns once that a peer which sends forwarding headers is not a trusted proxy: the usual mistake behind a load
/// balancer.
fn warn_untrusted_peer(context: &RequestContext) {
    if context.is_trusted || !context.parts.headers.contains(FieldName::XForwardedFor) {
        return;
    }
    if is_first(&context.local.app.warned.untrusted_peer) {
        tracing::warn!(
            peer = %context.connection.address,
            "X-Forwarded-For and X-Forwarded-Proto are ignored: the peer is not in \
             server.trusted_proxies; if it is your load balancer, add its network there, such as \
             SIDEMAN_TRUSTED_PROXIES=10.0.0.0/8, or alb on AWS, or private"
        );
    }
}

/// Warns once that an identity header of a trusted proxy was dropped. Without the warning, a login by proxy would fail
/// for no visible reason. Untrusted peers cause no warning, because they may send anything.
fn warn_identity_header(context: &RequestContext, name: &[u8]) {
    if context.is_trusted && is_first(&context.local.app.warned.identity) {
        tracing::warn!(
            header = %name.escape_ascii(),
            "dropped a header of a trusted proxy that identifies the client; add it to server.trusted_headers \
             if the proxy sets or removes it on every request"
        );
    }
}

/// Warns once that a trusted proxy's header of a CDN was dropped: usually the CDN's networks are not trusted.
fn warn_client_address(context: &RequestContext, name: &[u8]) {
    if context.is_trusted && is_first(&context.local.app.warned.client_address) {
        tracing::warn!(
            header = %name.escape_ascii(),
            client = %context.client,
            "dropped a header that names another client than X-Forwarded-For; if a CDN sends it, add the networks of \
             the CDN to server.trusted_proxies; if only the CDN can reach this server, add the header to \
             server.trusted_headers"
        );
    }
}
