//! Responds with stored responses of the application where that is possible, and stores others (RFC 9111). It stands in
//! front of [`proxy`], and of [`bucket`] as well: a [`source`] is either of them. Read [`look_up`] and [`serve`] first.
//!
//! - [`request`] says which requests see the cache, with the help of [`cookies`], [`query`] and [`language`]. It makes
//!   the [`key`]; [`vary`] compares the other fields.
//! - [`exchange`] looks into the cache. [`decide`] says what is done with a stored response, and [`respond`] makes a
//!   response of it.
//! - [`fetch`] sends a request in place of the client's own ([`fetch_request`], without what is [`unkeyed`]). What is
//!   [`worth_storing`] is stored; [`fetched_body`] is what the client gets meanwhile.
//! - [`status`] is what it tells about that. [`invalidate`] forgets what a request has changed.

mod cookies;
mod decide;
mod exchange;
mod fetch;
mod fetch_request;
mod fetched_body;
mod invalidate;
mod key;
mod language;
pub(super) mod query;
mod request;
mod respond;
mod source;
mod status;
mod unkeyed;
mod vary;
mod worth_storing;

use std::{rc::Rc, sync::Arc};

use http::{Method, StatusCode};

use self::{
    exchange::{Exchange, Step},
    request::{BypassReason, CacheableRequest},
    source::{OwnedObject, Source},
};
use super::{
    bucket::{self, WantedObject},
    proxy,
    request_context::RequestContext,
    response::Response,
    worker_state::WorkerState,
};
use crate::{
    body::RequestBody,
    cache::{Cache, Found},
    error::Error,
    plan::RouteCache,
    rfc::{
        caching::{CacheStatus, ForwardReason},
        request_parts::Headers,
    },
    telemetry::{CacheOutcome, RouteLabel},
};

/// How often a request waits for others before it goes to the application by itself.
const MAX_WAITS: u32 = 3;

/// What a look into the cache has given.
#[expect(clippy::large_enum_variant, reason = "a hit is the usual case, and costs no allocation")]
pub(super) enum Lookup {
    /// A fresh response was stored.
    Fresh(Result<Response, Error>),
    /// [`serve`] does the rest.
    Other(Pending),
}

/// A request that has no response yet. `None` goes to the application, and the response is not stored.
pub(super) struct Pending(Option<Next>);

/// What the cache does with it.
enum Next {
    Bypass(BypassReason),
    /// A response is fetched, or one that is not fresh is used.
    Exchange(Box<(CacheableRequest, Found)>),
}

/// Looks into the cache. Nothing is waited for.
pub(super) fn look_up(context: &mut RequestContext, route: Option<usize>) -> Lookup {
    let local = Rc::clone(&context.local);
    let Some(cache) = cache_of(&local, context) else {
        return Lookup::Other(Pending(None));
    };
    let request = match CacheableRequest::of((&local, cache), context, route) {
        Ok(request) => request,
        Err(reason) => return Lookup::Other(Pending(Some(Next::Bypass(reason)))),
    };
    context.route = RouteLabel::Proxy;
    let exchange = Exchange { cache, request: &request, source: Source::Application(route) };
    let found = exchange.find(context);
    match exchange.fresh(context, &found) {
        Some(response) => Lookup::Fresh(response),
        None => Lookup::Other(Pending(Some(Next::Exchange(Box::new((request, found)))))),
    }
}

/// Responds with a stored response or with the application's.
pub(super) async fn serve(
    Pending(next): Pending,
    context: &mut RequestContext,
    route: Option<usize>,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    let local = Rc::clone(&context.local);
    let (Some(next), Some(cache)) = (next, cache_of(&local, context)) else {
        return proxy::serve(&local, context, route, body).await;
    };
    let (request, found) = match next {
        Next::Bypass(reason) => return bypass((cache, reason), context, route, body).await,
        Next::Exchange(exchange) => *exchange,
    };
    let exchange = Exchange { cache, request: &request, source: Source::Application(route) };
    match ask(&exchange, context, found).await? {
        Asked::Response(response) => Ok(*response),
        Asked::Pass(outcome, status) => pass((outcome, status), context, route, body).await,
    }
}

/// Responds with a stored object of a bucket, or with the bucket's own. Returns `None` if there is no such object. Who
/// may have it was decided before: it is the same for all of them.
pub(super) async fn serve_object(
    local: &WorkerState,
    context: &mut RequestContext,
    object: WantedObject<'_>,
) -> Result<Option<Response>, Error> {
    let cache = cache_of(local, context);
    let request =
        cache.and_then(|cache| CacheableRequest::of_object((local, cache), context, object));
    let (Some(cache), Some(request)) = (cache, request) else {
        return bucket::fetch(local, read_of(context), object).await;
    };
    let source = Source::Bucket(Rc::new(OwnedObject::of(object)));
    let exchange = Exchange { cache, request: &request, source };
    let found = exchange.find(context);
    match ask(&exchange, context, found).await? {
        Asked::Response(response) if response.head.status == StatusCode::NOT_FOUND => Ok(None),
        Asked::Response(response) => Ok(Some(*response)),
        Asked::Pass(outcome, status) => {
            context.cache = Some(outcome);
            let mut response = bucket::fetch(local, read_of(context), object).await?;
            if let Some(response) = &mut response {
                status::add(response, status);
            }
            Ok(response)
        }
    }
}

/// What has become of a request that sees the cache.
enum Asked {
    Response(Box<Response>),
    /// The request goes to the source as it is.
    Pass(CacheOutcome, CacheStatus),
}

/// Steps until the cache has no more to do.
async fn ask(
    exchange: &Exchange<'_>,
    context: &mut RequestContext,
    mut found: Found,
) -> Result<Asked, Error> {
    for waits in 0..=MAX_WAITS {
        match exchange.step(context, found, waits < MAX_WAITS).await? {
            Step::Respond(response) => return Ok(Asked::Response(response)),
            Step::Again => found = exchange.find(context),
            Step::Pass(outcome, status) => return Ok(Asked::Pass(outcome, status)),
        }
    }
    Ok(Asked::Pass(CacheOutcome::Miss, status::forwarded(ForwardReason::Miss)))
}

fn read_of(context: &RequestContext) -> (&Method, &Headers) {
    (&context.parts.method, &context.parts.headers)
}

fn cache_of<'a>(local: &'a WorkerState, context: &RequestContext) -> Option<&'a Arc<Cache>> {
    local.app.cache.as_ref().filter(|_| context.policies.cache != RouteCache::Off)
}

/// Sends a request to the application that does not see the cache.
async fn bypass(
    (cache, reason): (&Arc<Cache>, BypassReason),
    context: &mut RequestContext,
    route: Option<usize>,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    let outcome = (CacheOutcome::Bypass, status::bypassed(reason));
    let response = pass(outcome, context, route, body).await?;
    invalidate::after(cache, context, route, &response);
    Ok(response)
}

/// Sends a request to the application as it is.
async fn pass(
    (outcome, status): (CacheOutcome, CacheStatus),
    context: &mut RequestContext,
    route: Option<usize>,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    context.cache = Some(outcome);
    let local = Rc::clone(&context.local);
    let mut response = proxy::serve(&local, context, route, body).await?;
    status::add(&mut response, status);
    Ok(response)
}
