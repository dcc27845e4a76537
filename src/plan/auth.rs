//! Authentication: how the clients of a route prove who they are.

use ipnet::IpNet;

use super::forward_auth::ForwardAuth;

/// What a route sets about authentication. A request takes all of it from one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthPolicy {
    pub auth: Auth,
    /// Networks whose clients need no authentication.
    pub allow: Vec<IpNet>,
}

/// The way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// None, whatever less specific routes set.
    Off,
    /// The verdict of a server.
    Forward(ForwardAuth),
}
