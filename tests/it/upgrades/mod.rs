//! WebSocket connections, and parts of a response besides its head and body:
//! interim responses, trailers, and the close towards a client that is still sending.

mod handshakes;
mod interim;
mod lingering;
mod over_uwsgi;
mod trailers;
mod tunnels;
mod uvicorn;

use crate::support::{
    Client, Sideman, Step, expect, send,
    websocket::{ACCEPT, ASK},
};

/// The application's part of a handshake.
fn accepts() -> [Step; 2] {
    [expect("GET /ws "), send(ACCEPT)]
}

/// The client's part.
#[track_caller]
fn open_tunnel(sideman: &Sideman) -> Client {
    let mut client = sideman.connect();
    client.send(ASK);
    client.until("HTTP/1.1 101 Switching Protocols\r\n");
    client.until("\r\n\r\n");
    client
}
