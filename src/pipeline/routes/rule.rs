//! A route and its patterns, and what a lookup asks for.

use std::{net::IpAddr, sync::Arc};

use http::Method;
use ipnet::IpNet;

use super::route_auth::RouteAuth;
use crate::{
    pipeline::rate_limiter::RateLimiter,
    plan::{PathExpression, RouteAction, RoutePolicies},
};

/// The index of a rule in the table.
pub(super) type RuleId = usize;

/// A route as the table knows it.
#[derive(Debug)]
pub(super) struct TableRoute {
    /// `None` for a prefix of files that a section other than a route sets.
    pub(super) name: Option<Arc<str>>,
    pub(super) methods: Vec<Method>,
    pub(super) clients: Vec<IpNet>,
    pub(super) ports: Vec<u16>,
    pub(super) action: Option<RouteAction>,
    pub(super) policies: RoutePolicies,
    /// The limiter of its rate limit, if it sets one.
    pub(super) limiter: Option<Arc<RateLimiter>>,
    pub(super) auth: Option<Arc<RouteAuth>>,
}

/// One pattern of one route.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) route: usize,
    /// The length of the prefix that matched. Unless the pattern is a prefix, it is that of `/`.
    pub(super) prefix: usize,
    /// The length of what another path replaces: the prefix, or an exact path.
    pub(super) replaced: usize,
    /// The expression that matched, if the pattern is one.
    pub(super) expression: Option<PathExpression>,
    /// Whether the pattern is narrower than `/`.
    pub(super) names_path: bool,
}

/// What a lookup needs to know about a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct RouteQuery<'a> {
    /// With its port, if it has one.
    pub(in crate::pipeline) host: Option<&'a [u8]>,
    /// Decoded and without dot segments, unless that is impossible.
    pub(in crate::pipeline) path: &'a [u8],
    pub(in crate::pipeline) method: &'a Method,
    pub(in crate::pipeline) client: IpAddr,
    /// The port that the client connected to; 0 at a unix socket.
    pub(in crate::pipeline) port: u16,
}

// === impl TableRoute ===

impl TableRoute {
    /// Whether method, client and port match. `GET` includes `HEAD`.
    pub(super) fn accepts(&self, query: &RouteQuery<'_>) -> bool {
        let is_method = |method: &Method| {
            method == query.method || (*query.method == Method::HEAD && *method == Method::GET)
        };
        (self.methods.is_empty() || self.methods.iter().any(is_method))
            && (self.clients.is_empty()
                || self
                    .clients
                    .iter()
                    .any(|network| network.contains(&query.client.to_canonical())))
            && (self.ports.is_empty() || self.ports.contains(&query.port))
    }
}
