//! Talks to the application: one [`Upstream`] for each worker, with its own pool of connections.
//!
//! `send` takes a connection (`pool`, or `connect` after `resolve`), lets `exchange` write the
//! request (`http1::encode`, `upload`) while it waits for the head of the reply (`http1::parse`),
//! and gives the reply with a body that returns the connection to the pool when it ends (`reply`).

mod connect;
mod connection;
mod exchange;
mod http1;
mod pool;
mod probe;
mod reply;
mod request;
mod resolve;
mod send;
mod stream;
mod upload;

pub use self::{
    probe::accepts,
    request::{Framing, Origin, RequestHead},
    send::{Reply, Upstream},
};
