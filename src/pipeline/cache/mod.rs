//! Responds with stored responses of the application where that is possible, and stores others (RFC 9111). It stands in
//! front of [`proxy`]. Read [`serve`] first.
//!
//! - [`request`] says which requests see the cache, with the help of [`cookies`], [`query`] and [`language`]. It makes
//!   the [`key`]; [`vary`] compares the other fields.
//! - [`exchange`] looks into the cache. [`decide`] says what is done with a stored response, and [`respond`] makes a response of it.
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
mod status;
mod unkeyed;
mod vary;
mod worth_storing;

use std::{rc::Rc, sync::Arc};

use self::{
    exchange::{Exchange, Step},
    request::{BypassReason, CacheableRequest},
};
use super::{proxy, request_context::RequestContext, response::Response};
use crate::{
    body::RequestBody,
    cache::Cache,
    error::Error,
    plan::RouteCache,
    rfc::caching::{CacheStatus, ForwardReason},
    telemetry::{CacheOutcome, RouteLabel},
};

/// How often a request waits for others before it goes to the application by itself.
const MAX_WAITS: u32 = 3;

/// Responds with a stored response or with the application's.
pub(super) async fn serve(
    context: &mut RequestContext,
    route: Option<usize>,
    body: &mut RequestBody,
) -> Result<Response, Error> {
    let local = Rc::clone(&context.local);
    let cache = local.app.cache.as_ref().filter(|_| context.policies.cache != RouteCache::Off);
    let Some(cache) = cache else {
        return proxy::serve(&local, context, route, body).await;
    };
    let request = match CacheableRequest::of((&local, cache), context, route) {
        Ok(request) => request,
        Err(reason) => return bypass((cache, reason), context, route, body).await,
    };
    context.route = RouteLabel::Proxy;
    let exchange = Exchange { cache, request: &request, route };
    for waits in 0..=MAX_WAITS {
        match exchange.step(context, waits < MAX_WAITS).await? {
            Step::Respond(response) => return Ok(*response),
            Step::Again => {}
            Step::Pass(outcome, status) => {
                return pass((outcome, status), context, route, body).await;
            }
        }
    }
    let status = status::forwarded(ForwardReason::Miss);
    pass((CacheOutcome::Miss, status), context, route, body).await
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
