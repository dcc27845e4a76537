//! An unavailable application: queued requests, retries, and the choice among several
//! servers.

mod connections;
mod ejection;
mod restarts;
mod servers;

use crate::support::{Client, Sideman};

/// Sends a request without waiting for the response.
fn ask(sideman: &Sideman, method: &str, path: &str, body: &str) -> Client {
    let mut client = sideman.connect();
    let length = body.len();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client
}
