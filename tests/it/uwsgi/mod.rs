//! The uwsgi protocol: forwarded packets, and accepted responses.
//! The checks of `django` use it as well.

mod limits;
mod packets;
mod responses;
mod servers;

use crate::support::{After, Packet, UwsgiApp};

/// A whole response with its length.
fn reply(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// One application with this function, over TCP and over a unix socket.
fn both(response: impl Fn(&Packet) -> Vec<u8> + Clone + Send + Sync + 'static) -> [UwsgiApp; 2] {
    [UwsgiApp::tcp(After::Close, response.clone()), UwsgiApp::unix(After::Close, response)]
}
