//! TLS to servers at `https://` addresses. `client` has the settings of an application that all its connections share,
//! `verifier` checks certificates, `fault` explains what went wrong, and `stream` is an open connection.

mod client;
mod fault;
mod names;
mod server;
mod stream;
mod verifier;

pub(super) use self::{
    client::TlsClient, fault::after_handshake, server::TlsServer, stream::TlsConnection,
};
