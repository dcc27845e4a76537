//! Talks to the application: one [`UpstreamClient`] for each worker, with its own pool of connections.
//!
//! `send` takes a permit (`backends`: the servers and the queue, shared by all workers) and a connection
//! (from a `pool` in `worker_pools`, or by `connect`), makes an `attempt`: `exchange`
//! writes the request (by `http1` or `uwsgi`, and `upload`) while it waits for the head of the reply. It
//! gives the reply with a body that returns the connection to the pool when it ends (`response_body`), or
//! with the connection itself if it speaks WebSocket from now on (`upgraded`), or tries again where that
//! is safe. What a client leaves behind goes to `detached_tasks`, an attempt as well as a `pending_connection`.

mod attempt;
mod backends;
mod connect;
mod connection;
mod detached_tasks;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http1;
mod pending_connection;
mod permit;
mod pool;
mod probe;
mod queue_metrics;
mod refusal;
mod request;
mod response_body;
mod send;
mod stream;
mod upgraded;
mod upload;
mod uwsgi;
mod worker_pools;

pub use self::{
    backends::Backends,
    probe::accepts,
    request::{OnInterim, RequestFraming, RequestOrigin, SendNotes, ServedBy, UpstreamRequestHead},
    send::{UpstreamClient, UpstreamResponse},
    upgraded::UpgradedStream,
};
