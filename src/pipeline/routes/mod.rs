//! The routes that a request matches, and what they set for it.
//!
//! [`table`] has every route once: the named ones and the prefixes of files. A lookup collects the matching rules, the
//! most specific first: by [`host_index`], then by [`path_index`], then by method and client. [`memo`] keeps the
//! [`policies`] of each combination of rules that occurred, so that a request pays for one lookup.

mod explain;
mod host_index;
mod memo;
#[cfg(test)]
mod model;
mod path_index;
mod policies;
mod route_auth;
mod route_limit;
mod rule;
mod table;

pub use self::explain::matching_routes;
pub(super) use self::{
    memo::RouteMemo,
    policies::{Action, Forwarding, Policies, PrefixReplacement, RedirectAction},
    route_auth::{AuthMethod, RouteAuth},
    route_limit::RouteLimit,
    rule::RouteQuery,
    table::RouteTable,
};
