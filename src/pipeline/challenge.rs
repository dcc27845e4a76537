//! Asks a client for a user name and a password (RFC 9110, 11.6.1).

use http::HeaderValue;

use super::{access, request_context::RequestContext, routes::AuthMethod};

/// Returns the value of `WWW-Authenticate` for a request that was not authenticated.
pub(super) fn of(context: &RequestContext) -> Option<HeaderValue> {
    access::guarding(context).ok()?.find_map(|policies| match &policies.auth.as_deref()?.method {
        AuthMethod::Off | AuthMethod::Forward(_) => None,
        AuthMethod::Basic { challenge, .. } => Some(challenge.clone()),
    })
}
