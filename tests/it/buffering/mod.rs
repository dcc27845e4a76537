//! Buffered bodies: slow clients occupy no worker of the application.

mod disk;
mod failing;
mod limits;
mod many;
mod memory;
mod requests;
mod responses;

use crate::support::{Client, Settings};

/// The head of a response that keeps its connection.
const KEEP_ALIVE: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n";

/// A whole response that keeps its connection.
fn kept(body: &str) -> String {
    format!("{KEEP_ALIVE}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// One worker, so one pool holds all upstream connections.
fn before(upstream: &str) -> Settings {
    Settings::before(upstream).set("server.workers", "1").set("upstream.idle_timeout", "1m")
}

/// Sends a body in chunks of this size.
fn send_chunked(client: &mut Client, target: &str, body: &[u8], size: usize) {
    client.send(format!(
        "POST {target} HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for piece in body.chunks(size) {
        client.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    client.send("0\r\n\r\n");
}
