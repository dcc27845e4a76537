//! Refuses requests that the client may not send: those that `allow` and `deny` of a route exclude.
//!
//! A route is found by the path in its normal form, but the application gets the target as the client sent it, and may
//! read it in another way. So the decoded path before normalisation must be allowed too, and a path that does not
//! decode is refused if any route has rules.

use std::rc::Rc;

use super::{
    request_context::{self, RequestContext},
    routes::Policies,
};
use crate::{
    error::{Error, FailureKind},
    plan::DenyResponse,
    rfc::path,
};

/// Checks the client of a request.
pub(super) fn check(context: &mut RequestContext) -> Result<(), Error> {
    for policies in guarding(context)? {
        if policies.access.as_ref().is_some_and(|rules| !rules.allows(context.client)) {
            context.is_unanswered = policies.deny_response == DenyResponse::Close;
            return Err(Error::new(FailureKind::AccessDenied));
        }
    }
    Ok(())
}

/// Returns the policies whose access rules a request must satisfy: those of its normal path, and those of its decoded
/// path if that is another one.
pub(super) fn guarding(
    context: &RequestContext,
) -> Result<impl Iterator<Item = Rc<Policies>> + use<>, Error> {
    let own = Rc::clone(&context.policies);
    if !context.local.app.routes.guards_access() {
        return Ok([Some(own), None].into_iter().flatten());
    }
    let raw = context.path.raw().as_bytes();
    let other = match context.path.normal() {
        Some(normal) if normal == raw => None,
        Some(_) => {
            let decoded = path::decode(raw).unwrap_or_default();
            let port = context.connection.server_port;
            let query =
                request_context::route_query(&context.parts, &decoded, context.client, port);
            Some(context.local.routes.find(&query))
        }
        // `OPTIONS *` has no path, and is about the server as a whole.
        None if raw == b"*" => None,
        None => return Err(Error::new(FailureKind::PathInvalid)),
    };
    Ok([Some(own), other].into_iter().flatten())
}
