//! Authenticates the clients of routes that set `auth`. As for `allow` and `deny`, each form of a path that the
//! application may understand must be permitted (`pipeline/access.rs`).

mod forward;
mod subrequest;
mod verdict;

use std::sync::Arc;

use super::{
    access,
    request_context::RequestContext,
    response::Response,
    routes::{AuthMethod, RouteAuth},
};
use crate::error::Error;

/// Authenticates the client of a request, if its routes want that. Returns the response to a client that may not send
/// it, if that response is no error.
pub(super) async fn check(context: &mut RequestContext) -> Result<Option<Response>, Error> {
    if !context.local.app.routes.authenticates() {
        return Ok(None);
    }
    let mut passed: Option<Arc<RouteAuth>> = None;
    for policies in access::guarding(context)? {
        let Some(auth) = &policies.auth else { continue };
        // Both forms of the path are usually in one route.
        if passed.as_ref().is_some_and(|passed| Arc::ptr_eq(passed, auth)) {
            continue;
        }
        if let Some(response) = authenticate(context, auth).await? {
            return Ok(Some(response));
        }
        passed = Some(Arc::clone(auth));
    }
    Ok(None)
}

async fn authenticate(
    context: &mut RequestContext,
    auth: &RouteAuth,
) -> Result<Option<Response>, Error> {
    let client = context.client.to_canonical();
    if auth.allow.iter().any(|network| network.contains(&client)) {
        return Ok(None);
    }
    match &auth.method {
        AuthMethod::Off => Ok(None),
        // Boxed because few requests need it, and it is larger than all others together.
        AuthMethod::Forward(auth) => Box::pin(forward::check(context, auth)).await,
    }
}
