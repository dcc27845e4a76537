//! An application that is not there: what waits for it, what is sent again, and what several servers
//! make of it.

mod connections;
mod restarts;
mod servers;

use crate::support::{Client, Sideman};

/// Asks without waiting for the answer.
fn ask(sideman: &Sideman, method: &str, path: &str, body: &str) -> Client {
    let mut client = sideman.connect();
    let length = body.len();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client
}
