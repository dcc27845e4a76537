//! Sends requests to the application. Each worker has one [`UpstreamClient`] with its own pool of connections.
//!
//! `send` acquires a permit (`backends`: the servers and the queue, shared by all workers) and a connection (from a
//! `pool` in `worker_pools`, or by `connect`), and makes an `attempt`. `exchange` writes the request (encoded by
//! `http1` or `uwsgi`, written by `upload`) while it waits for the head of the response. The body of the response
//! returns the connection to the pool when it ends (`response_body`). If the connection switches to WebSocket, the
//! response contains the connection itself (`upgraded`). A failed attempt is retried if that is safe. If the client
//! disconnects, its attempt or `pending_connection` continues in `detached_tasks`.

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
mod queue_clock;
mod queue_metrics;
mod refusal;
mod request;
mod response_body;
mod send;
mod stream;
mod tls;
mod upgraded;
mod upload;
mod uwsgi;
mod worker_pools;

pub use self::{
    backends::{Backends, Trouble},
    probe::accepts,
    queue_clock::QueueClock,
    request::{
        AttemptTimes, Attempts, OnInterim, RequestFraming, RequestOrigin, RequestTimeouts,
        SendNotes, ServedBy, UpstreamRequestHead,
    },
    send::{UpstreamClient, UpstreamResponse},
    upgraded::UpgradedStream,
};
