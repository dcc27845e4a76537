//! Named routes, on the wire.

mod access;
mod actions;
mod forwarding;
mod rate_limit;
mod site;
