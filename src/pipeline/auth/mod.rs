//! Authenticates the clients of routes that set `auth`. As for `allow` and `deny`, each form of a path that the
//! application may understand must be permitted (`pipeline/access.rs`).

mod basic;
mod forward;
mod privacy;
mod subrequest;
mod verdict;

use std::sync::Arc;

use http::Method;

pub(super) use self::privacy::make_private;
use super::{
    access,
    request_context::RequestContext,
    response::Response,
    routes::{Action, AuthMethod, Policies, RouteAuth},
};
use crate::error::Error;

/// Certificate authorities request files below this path (RFC 8555, 8.3), from addresses that nobody knows in advance.
const ACME_CHALLENGE: &str = "/.well-known/acme-challenge/";
/// The name of the route that redirects to the canonical host.
const CANONICAL_HOST: &str = "server.canonical_host";

/// Authenticates the client of a request, if its routes want that. Returns the response to a client that may not send
/// it, if that response is no error.
pub(super) async fn check(context: &mut RequestContext) -> Result<Option<Response>, Error> {
    if !context.local.app.routes.authenticates() || is_acme_challenge(context) {
        return Ok(None);
    }
    let mut passed: Option<Arc<RouteAuth>> = None;
    for policies in access::guarding(context)? {
        let Some(auth) = &policies.auth else { continue };
        // Both forms of the path are usually in one route.
        if passed.as_ref().is_some_and(|passed| Arc::ptr_eq(passed, auth))
            || is_free(context, &policies, auth)
        {
            continue;
        }
        // Boxed because few requests need it, and the future of every request would have its size.
        match &auth.method {
            AuthMethod::Off => {}
            AuthMethod::Basic { users, .. } => Box::pin(basic::check(context, users)).await?,
            AuthMethod::Forward(auth) => {
                if let Some(response) = Box::pin(forward::check(context, auth)).await? {
                    return Ok(Some(response));
                }
            }
        }
        passed = Some(Arc::clone(auth));
    }
    Ok(None)
}

/// Whether a client needs no authentication: one of `auth_allow`, or one that is redirected to the canonical host,
/// which would ask for the password again.
fn is_free(context: &RequestContext, policies: &Policies, auth: &RouteAuth) -> bool {
    let client = context.client.to_canonical();
    auth.allow.iter().any(|network| network.contains(&client))
        || (policies.route.as_deref() == Some(CANONICAL_HOST)
            && matches!(policies.actions.first(), Some(Action::Redirect(_))))
}

/// Whether a request is for the file of a challenge. The rest of the path must be a token of RFC 8555, 8.1, so that it
/// means the same to everybody.
fn is_acme_challenge(context: &RequestContext) -> bool {
    let token = context.path.raw().strip_prefix(ACME_CHALLENGE).unwrap_or_default();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (context.parts.method == Method::GET || context.parts.method == Method::HEAD)
        && !token.is_empty()
        && token.bytes().all(is_letter)
}
