//! What every application is owed, in every way in which it is spoken to: HTTP and the uwsgi protocol,
//! over TCP and over unix sockets.

mod bodies;
mod connections;
mod requests;
mod unavailable;
