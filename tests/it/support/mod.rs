//! Helpers of the integration tests: the program under test, clients and applications that follow
//! a test's script exactly, and real Python servers.

mod app;
mod browser;
mod client;
mod dir;
mod head;
pub(crate) mod http2;
mod origin;
mod port;
mod prometheus;
pub(crate) mod python;
mod redis;
mod reserved_address;
mod settings;
mod sideman;
mod skip;
mod step;
mod uwsgi;
mod wagtail;
mod wait;
pub(crate) mod websocket;
mod wire;
mod wsgi;

pub(crate) use self::{
    app::App,
    browser::Browser,
    client::{Client, Response},
    dir::TempDir,
    head::Head,
    http2::Http2,
    origin::Origin,
    port::ReservedPort,
    prometheus::samples,
    python::{Django, PASSWORD, USER},
    redis::Redis,
    reserved_address::{Protocol, ReservedAddress, Transport},
    settings::{Ended, Settings},
    sideman::Sideman,
    skip::{Tool, can_have_network, can_mount, skip},
    step::{
        Gate, Step, body, close, expect, flood, half_close, open, packet, pause, receive, reset,
        send, until_closed, wait,
    },
    uwsgi::{After, Packet, UwsgiApp},
    wagtail::Wagtail,
    wait::{TIME_LIMIT, eventually, eventually_is, eventually_within, pace, repeat_for},
    wire::Request,
    wsgi::{Server, Wsgi},
};

/// Bytes that reveal a missing, repeated or moved part: byte `i` is `i % 251`, as in the pages
/// of tests/django.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..251_u8).cycle().take(length).collect()
}
