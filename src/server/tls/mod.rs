//! TLS towards clients: certificates, their files, and the handshake.

mod certificate;
mod certificate_resolver;
mod config;
mod handshake;
mod handshake_limit;
mod self_signed;
mod watch;

pub use self::config::{LoadedTls, TlsContext, TlsError};
pub(super) use self::handshake::{HandshakeOutcome, perform_handshake};
