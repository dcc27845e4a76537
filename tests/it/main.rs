//! The integration tests: the program itself, over real sockets, a module for each feature.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that fails says so by panicking"
)]

mod support;

mod accel;
mod access_log;
mod acme;
mod admin;
mod admission;
mod ambiguous;
mod buckets;
mod buffering;
mod cache;
mod compression;
mod demo;
mod deploy;
mod django;
mod doctor;
mod emf;
mod exec;
mod forwarded;
mod health;
mod hosts;
mod how_to;
mod http2;
mod import_nginx;
mod limits;
mod log_outputs;
mod matrix;
mod media;
mod metrics;
mod misbehaving;
mod pages;
mod proxy;
mod proxy_protocol;
mod purge;
mod readiness;
mod reload;
mod request_ids;
mod routes;
mod serve_files;
mod settings;
mod shared_purge;
mod shutdown;
mod skips;
mod status;
mod systemd;
mod telemetry;
mod terminal;
mod tls;
mod tools;
mod trace_headers;
mod traces;
mod unavailable;
mod unix_clients;
mod unsupported_systems;
mod upgrades;
mod upstream_tls;
mod upstream_trouble;
mod uwsgi;
