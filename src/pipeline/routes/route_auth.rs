//! How the clients of a route authenticate, in the form that requests need. It is made once for each route that sets
//! it.

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::{
    pipeline::passwords::UserTable,
    plan::{Auth, AuthPolicy, BasicAuth, ForwardAuth, UserList, UserSource},
};

/// The authentication of a route.
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
    Basic {
        users: UserTable,
        /// The value of `WWW-Authenticate`.
        challenge: HeaderValue,
    },
}

// === impl RouteAuth ===

impl RouteAuth {
    pub(super) fn new(policy: &AuthPolicy) -> Self {
        let method = match &policy.auth {
            Auth::Off => AuthMethod::Off,
            Auth::Forward(forward) => AuthMethod::Forward(forward.clone()),
            Auth::Basic(basic) => {
                AuthMethod::Basic { users: users(basic), challenge: challenge(basic) }
            }
        };
        Self { method, allow: policy.allow.clone() }
    }

    /// Whether clients must authenticate, unless their network is exempt.
    pub(in crate::pipeline) fn is_needed(&self) -> bool {
        !matches!(self.method, AuthMethod::Off)
    }

    /// Returns the fields that the auth server sets for the application.
    pub(super) fn response_headers(&self) -> &[HeaderName] {
        match &self.method {
            AuthMethod::Forward(forward) => &forward.response_headers,
            AuthMethod::Off | AuthMethod::Basic { .. } => &[],
        }
    }
}

fn users(basic: &BasicAuth) -> UserTable {
    match &basic.users {
        UserSource::List(list) => UserTable::new(list),
        // The files were read before. Without users, nobody could log in.
        UserSource::File(_) => UserTable::new(&UserList(Vec::new())),
    }
}

/// The charset tells browsers how to encode letters other than ASCII (RFC 7617, 2.1).
fn challenge(basic: &BasicAuth) -> HeaderValue {
    let text = format!("Basic realm=\"{}\", charset=\"UTF-8\"", basic.realm);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Basic realm=\"Restricted\""))
}
