//! Named routes, on the wire.

mod access;
mod actions;
mod auth_basic;
mod auth_forward;
mod close;
mod errors;
mod forwarding;
mod intercept;
mod log;
mod port;
mod rate_limit;
mod rate_limit_global;
mod site;
mod spellings;
