//! The uwsgi protocol: what goes to the application as a packet, and which answers are understood.
//! The checks of `django` go over it as well.

mod limits;
mod packets;
mod responses;
mod servers;

use crate::support::{After, Packet, UwsgiApp};

/// A whole answer that says how long it is.
fn reply(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// Over TCP and over a unix socket, one application that answers so.
fn both(response: impl Fn(&Packet) -> Vec<u8> + Clone + Send + Sync + 'static) -> [UwsgiApp; 2] {
    [UwsgiApp::tcp(After::Close, response.clone()), UwsgiApp::unix(After::Close, response)]
}
