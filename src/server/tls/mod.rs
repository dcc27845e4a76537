//! TLS towards clients: the certificates and what becomes of their files, and the handshake.

mod certificate;
mod choice;
mod handshake;
mod pem;
mod places;
mod self_signed;
mod terms;
mod watch;

pub use self::terms::{LoadedTls, Tls, TlsError};
pub(super) use self::{
    handshake::{Shaken, shake},
    places::Place,
};
