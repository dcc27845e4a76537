//! Basic behaviour with every kind of application: HTTP and the uwsgi protocol,
//! over TCP and over unix sockets.

mod bodies;
mod connections;
mod requests;
mod unavailable;
