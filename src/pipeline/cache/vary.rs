//! The values of a request for the fields that a response varies by (RFC 9111, 4.1), as the application gets them.

use std::borrow::Cow;

use super::{cookies::Visitor, fetch_request::FetchRequest, language, request::CacheableRequest};
use crate::{
    cache::Variant,
    pipeline::{forward, request_context::RequestContext, routes::Policies},
    rfc::{
        caching::{self, VaryNames},
        request_parts::FieldName,
    },
};

/// Returns the variant of the response to a request that was sent; `None` if no other request could get it.
pub(super) fn of_fetched(request: &FetchRequest, names: &VaryNames) -> Option<Variant> {
    if !can_select(request.visitor, &request.policies, names) {
        return None;
    }
    let headers = request.headers();
    let value = |name: &str| match name {
        name if is_in_key(name) => None,
        name => caching::selecting_value(&headers, name),
    };
    Some(Variant::of(names.iter().map(value)))
}

/// Whether a stored variant is for a request.
pub(super) fn selects(
    context: &RequestContext,
    request: &CacheableRequest,
    (variant, names): (&Variant, &VaryNames),
) -> bool {
    names.is_empty()
        || can_select(request.cookies.visitor, &context.policies, names)
            && variant.matches(names.iter().map(|name| value(context, name)))
}

/// Returns the variant of a request. It tells the request from others with the same key while they wait.
pub(super) fn of_request(
    context: &RequestContext,
    request: &CacheableRequest,
    names: &VaryNames,
) -> Option<Variant> {
    can_select(request.cookies.visitor, &context.policies, names)
        .then(|| Variant::of(names.iter().map(|name| value(context, name))))
}

/// Whether the values of these fields can be compared. An unknown cookie may be that of a session. Fields that Sideman
/// makes differ for each request, and those that a route sets may.
fn can_select(visitor: Visitor, policies: &Policies, names: &VaryNames) -> bool {
    let edits = &policies.forwarding.headers;
    let is_set = |name: &str| edits.iter().any(|edit| edit.name().as_str() == name);
    !names.is_any()
        && names.iter().all(|name| match name {
            "cookie" => visitor == Visitor::Anonymous,
            name => is_in_key(name) || !(forward::is_made(name) || is_set(name)),
        })
}

/// Whether a field does not tell requests of one key apart: the key has what it says, and the cookies of visitors that
/// are anonymous say nothing more.
fn is_in_key(name: &str) -> bool {
    matches!(
        name,
        "cookie" | "host" | "x-forwarded-host" | "x-forwarded-port" | "x-forwarded-proto"
    )
}

/// Returns the normalised value; `None` for a field that is absent, or that does not reach the application.
fn value<'a>(context: &'a RequestContext, name: &str) -> Option<Cow<'a, [u8]>> {
    let headers = &context.parts.headers;
    if is_in_key(name) {
        return None;
    }
    if name == "accept-language" {
        return language::of(headers, &context.local.app.plan.cache.languages);
    }
    let known = FieldName::of(name.as_bytes());
    let is_it = |one: FieldName, text: &[u8]| one == known && text == name.as_bytes();
    let mut fields = headers.iter().filter(|&(one, text, _)| is_it(one, text));
    if !fields.all(|(_, text, value)| forward::is_passed(context, known, (text, value))) {
        return None;
    }
    caching::selecting_value(headers, name).map(Cow::Owned)
}
