//! The addresses that Sideman listens on.

use std::net::SocketAddr;

use crate::plan::{ListenAddress, Plan};

/// Returns the addresses for clients, without sockets.
pub(super) fn listeners(plan: &Plan) -> impl Iterator<Item = SocketAddr> {
    let tls = plan.tls.iter().flat_map(|tls| &tls.listen);
    plan.server.listen.iter().chain(tls).filter_map(|listen| match listen {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    })
}
