//! The client side: listeners, the workers that serve connections, and the admin listener.

mod acceptor;
mod admin;
mod connection;
mod connection_permit;
mod corked;
mod counted_stream;
mod current;
mod date;
mod drain;
mod end_signal;
mod fair_share;
mod frame_budget;
mod freed_memory;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod head_filter;
mod http1;
mod http2;
mod http2_body;
mod http2_response;
mod http2_timer;
mod jitter;
mod keepalive;
mod linger;
mod listener;
mod prefixed;
mod refusal;
mod room;
mod stream;
mod streams;
mod taken;
mod tls;
mod tunnel;
mod workers;

pub use self::{
    acceptor::{Accepting, Site, Socket},
    admin::{Admin, Ask, Told},
    listener::{BindError, Listener, bind},
    room::most_connections,
    tls::{LoadedTls, Tls, TlsError},
    workers::{Placement, Workers},
};
