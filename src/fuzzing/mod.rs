//! The targets of fuzz/: functions that take any bytes, hand them to a parser and panic when the parser breaks one of
//! its promises. cargo-fuzz calls them (fuzz/README.md), and so does every run of the unit tests ([`run`]). They are
//! compiled for these two only; those of private parsers stand beside them.
//!
//! The bytes are what the parser would get. A target that needs more than that takes it from the first line; where
//! bytes are cut into pieces is derived from the bytes ([`crate::fuzz_input`]).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

mod basic_auth;
mod caching;
mod chunked;
mod conditional;
mod forwarded;
mod host;
mod negotiation;
mod path;
mod proxy_protocol;
mod range;
mod request_head;
#[cfg(test)]
mod run;

pub use self::{
    basic_auth::check as basic_auth, caching::check as caching, chunked::check as chunked,
    conditional::check as conditional, forwarded::check as forwarded, host::check as host,
    negotiation::check as negotiation, path::check as path,
    proxy_protocol::check as proxy_protocol, range::check as range,
    request_head::check as request_head,
};
pub use crate::{
    acme::fuzzing::{acme_certificate, acme_problem},
    aws::fuzzing::{role_keys, s3_error},
    config::fuzzing::{htpasswd, settings_environment, settings_file},
    import_nginx::fuzzing::nginx_config,
    outgoing::fuzzing::outgoing_response,
    pipeline::fuzzing::accel,
    redis::fuzzing::{redis_purge, redis_reply},
    server::fuzzing::connection,
    upstream::fuzzing::{reply_http1, reply_uwsgi},
};
