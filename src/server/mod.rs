//! The client side: listeners, the workers that serve connections, and the admin listener.

mod acceptor;
mod admin;
mod connection;
mod corked;
mod current;
mod date;
mod drain;
mod drive;
mod ending;
mod gate;
mod head_filter;
mod http2;
mod http2_response;
mod http2_timer;
mod keepalive;
mod linger;
mod listener;
mod plain;
mod preface;
mod prefixed;
mod room;
mod socket;
mod stream;
mod streams;
mod taken;
mod timer;
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
