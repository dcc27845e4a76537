//! The header fields that an auth server gets: those of the client's request, and what nginx's `auth_request`,
//! Traefik's `forwardAuth` and oauth2-proxy say about it.

use http::HeaderName;

use crate::{
    pipeline::{forward, request_context::RequestContext, scheme},
    rfc::{request_parts::FieldName, trace_context::TRACEPARENT_LENGTH},
    upstream::RequestOrigin,
};

/// The values about a request that must live as long as the fields.
#[derive(Debug)]
pub(super) struct SubrequestTexts {
    client: String,
    scheme: &'static str,
    port: u16,
    port_digits: String,
    /// Scheme, host, path and query.
    url: Vec<u8>,
    /// Set if the request is traced.
    traceparent: Option<[u8; TRACEPARENT_LENGTH]>,
}

/// The host of a request of HTTP/1.0 that names none.
const NO_HOST: &[u8] = b"localhost";

// === impl SubrequestTexts ===

impl SubrequestTexts {
    pub(super) fn of(context: &RequestContext) -> Self {
        let scheme = scheme::of(context);
        let port = forward::port(context, forward::named_port(context), scheme);
        let (host, target) = (host(context), context.parts.path_and_query());
        let url = [scheme.as_bytes(), b"://", host, target.as_bytes()].concat();
        let client = context.client.to_string();
        let traceparent = context.trace.as_ref().and_then(|trace| trace.traceparent_of_server());
        Self { client, scheme, port, port_digits: port.to_string(), url, traceparent }
    }

    /// Returns what protocols other than HTTP would transfer beside the fields.
    pub(super) fn origin<'a>(&'a self, context: &'a RequestContext) -> RequestOrigin<'a> {
        RequestOrigin {
            client: &self.client,
            client_port: None,
            scheme: self.scheme,
            host: host(context),
            port: self.port,
            version: context.parts.version,
            script_name: "",
        }
    }
}

fn host(context: &RequestContext) -> &[u8] {
    context.host().unwrap_or(NO_HOST)
}

/// Returns the fields. `chosen` are those that the auth server sets for the application: a client's value must not come
/// back from it.
pub(super) fn fields<'a>(
    context: &'a RequestContext,
    texts: &'a SubrequestTexts,
    chosen: &[HeaderName],
) -> Vec<(&'a [u8], &'a [u8])> {
    let host = host(context);
    let (method, target) = (context.parts.method.as_str(), context.parts.path_and_query());
    let own: [(&[u8], &[u8]); 13] = [
        (b"host", host),
        (b"x-forwarded-for", texts.client.as_bytes()),
        (b"x-forwarded-proto", texts.scheme.as_bytes()),
        (b"x-forwarded-host", host),
        (b"x-forwarded-port", texts.port_digits.as_bytes()),
        (b"x-forwarded-method", method.as_bytes()),
        (b"x-forwarded-uri", target.as_bytes()),
        (b"x-original-method", method.as_bytes()),
        (b"x-original-uri", target.as_bytes()),
        (b"x-original-url", &texts.url),
        (b"x-real-ip", texts.client.as_bytes()),
        (b"x-request-id", context.request_id()),
        context.local.app.loop_token.field(),
    ];
    let mut fields = Vec::with_capacity(context.parts.headers.len() + own.len());
    // The application's head counts and reports what is dropped.
    let _ = forward::append_client_fields(context, &mut fields);
    fields.retain(|(name, _)| {
        let is_own = own.iter().any(|(own, _)| own == name);
        // Other processes may be named too.
        let is_replaced = is_own && *name != b"cdn-loop";
        let is_chosen = chosen.iter().any(|chosen| chosen.as_str().as_bytes() == *name);
        !is_replaced && !is_chosen && !is_conditional(FieldName::of(name))
    });
    fields.extend(own);
    if let Some(traceparent) = &texts.traceparent {
        fields.push((b"traceparent", traceparent));
    }
    fields
}

/// Whether a field asks for a part of the resource, or for a change of it. The auth server has another resource: its
/// 304 or 206 would say nothing about the client.
fn is_conditional(name: FieldName) -> bool {
    matches!(
        name,
        FieldName::IfMatch
            | FieldName::IfModifiedSince
            | FieldName::IfNoneMatch
            | FieldName::IfRange
            | FieldName::IfUnmodifiedSince
            | FieldName::Range
            | FieldName::MaxForwards
    )
}
