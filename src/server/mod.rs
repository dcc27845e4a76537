//! The client side: listeners, the workers that serve connections, and the admin listener.

mod acceptor;
mod admin;
mod connection;
mod connection_permit;
mod counted_stream;
mod current_settings;
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
mod load_shedding;
mod proxy_protocol;
mod refusal;
mod rewind;
mod stream;
mod streams;
mod tls;
mod tracked_body;
mod tunnel;
mod workers;
mod write_coalescer;

pub use self::{
    acceptor::{AcceptorHandle, ListenSocket, ListenerSet},
    admin::{AdminListener, FindFaults, ReloadReply, ReloadRequest},
    listener::{BindError, Listener, ListenerMode, ListenerShared, adopt, bind},
    load_shedding::most_connections,
    proxy_protocol::ProxyProtocol,
    tls::{LoadedTls, TlsContext, TlsError},
    workers::{Placement, Workers},
};
