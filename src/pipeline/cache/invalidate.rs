//! Forgets the stored responses that a request has changed: those of its own URL and of those that its response names
//! (RFC 9111, 4.4), and the groups that the response names (RFC 9875). Over Redis, other processes do the same.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use crate::{
    cache::{Cache, PurgeMode, PurgeTarget},
    pipeline::{
        replacements::Replacements, request_context::RequestContext, response::Response, scheme,
        shared_purge,
    },
    redis::PurgeCause,
    rfc::{caching, response_lines::ResponseLines},
};

/// The fields that name more than the request's own URL.
const NAMING: [&str; 3] = ["location", "content-location", "cache-group-invalidation"];

/// Invalidates what a request has changed, if its method and status say so.
pub(super) fn after(
    cache: &Cache,
    context: &RequestContext,
    route: Option<usize>,
    response: &Response,
) {
    if !caching::invalidates(&context.parts.method, response.head.status) {
        return;
    }
    let server = context.local.server_name(route);
    let replacements = Replacements::of(context, server);
    let (host, target) = (replacements.host_of(context, server), replacements.target_of(context));
    let fields = naming(response);
    let path = target.split('?').next().unwrap_or_default();
    let authority = String::from_utf8_lossy(host);
    let others = caching::invalidated_targets(&fields, scheme::of(context), &authority, path);
    let groups = caching::invalidated_groups(&fields);
    let own = std::iter::once(PurgeTarget::Url(host, target.as_bytes()));
    let others = others.iter().map(|other| PurgeTarget::Url(host, other.as_bytes()));
    let groups = groups.iter().map(|group| PurgeTarget::Tag(group.as_bytes()));
    let targets: Vec<_> = own.chain(others).chain(groups).collect();
    cache.purge(targets.iter().copied(), PurgeMode::Hard);
    if let Some(link) = &context.local.app.redis {
        shared_purge::publish(link, &targets, (PurgeMode::Hard, PurgeCause::Invalidation));
    }
}

/// Returns the fields of a response that name what it has changed, in whatever form it has them.
fn naming(response: &Response) -> Cow<'_, ResponseLines> {
    let head = &response.head;
    if !head.lines.as_bytes().is_empty() {
        return Cow::Borrowed(&head.lines);
    }
    let mut map = HeaderMap::new();
    for name in NAMING.map(HeaderName::from_static) {
        for value in head.headers.get_all(&name) {
            map.append(name.clone(), value.clone());
        }
    }
    Cow::Owned(ResponseLines::from(&map))
}
