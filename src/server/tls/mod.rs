//! TLS towards clients: the certificates and what becomes of their files, and the handshake.

mod certificate;
mod choice;
mod handshake;
mod handshake_limit;
mod pem;
mod self_signed;
mod terms;
mod watch;

pub(super) use self::handshake::{Shaken, shake};
pub use self::terms::{LoadedTls, Tls, TlsError};
