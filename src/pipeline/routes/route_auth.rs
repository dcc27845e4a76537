//! How the clients of a route authenticate, in the form that requests need. It is made once for each route that sets it.

use http::HeaderName;
use ipnet::IpNet;

use crate::plan::{Auth, AuthPolicy, ForwardAuth};

/// What a route sets about authentication.
#[derive(Debug)]
pub(in crate::pipeline) struct RouteAuth {
    pub(in crate::pipeline) method: AuthMethod,
    /// Networks whose clients need no authentication.
    pub(in crate::pipeline) allow: Vec<IpNet>,
}

/// The way to authenticate.
#[derive(Debug)]
pub(in crate::pipeline) enum AuthMethod {
    Off,
    Forward(ForwardAuth),
}

// === impl RouteAuth ===

impl RouteAuth {
    pub(super) fn new(policy: &AuthPolicy) -> Self {
        let method = match &policy.auth {
            Auth::Off => AuthMethod::Off,
            Auth::Forward(forward) => AuthMethod::Forward(forward.clone()),
        };
        Self { method, allow: policy.allow.clone() }
    }
}

impl RouteAuth {
    /// Returns the fields that the auth server sets for the application.
    pub(super) fn response_headers(&self) -> &[HeaderName] {
        match &self.method {
            AuthMethod::Forward(forward) => &forward.response_headers,
            AuthMethod::Off => &[],
        }
    }
}
