//! Finds the listener for clients of the running process, for commands that send it a request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{config::HealthTarget, plan::ListenAddress};

use super::http_request::CheckPeer;

/// A header of the PROXY protocol (version 1) that names no client.
const PROXY_HEADER: &str = "PROXY UNKNOWN\r\n";

/// Returns the address of the listener, and what it requires before a request.
pub(super) fn of_target(target: HealthTarget) -> Result<(CheckPeer, &'static str), String> {
    let preface = if target.has_proxy_header { PROXY_HEADER } else { "" };
    let address = match target.listen {
        Some(ListenAddress::Tcp(address)) => address,
        Some(ListenAddress::Unix(socket)) => return Ok((CheckPeer::Unix(socket), preface)),
        None => {
            return Err("server.listen is none, and the health check uses plain HTTP: listen on \
                        127.0.0.1:8080 as well"
                .into());
        }
    };
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    match address.port() {
        0 => Err("server.listen has port 0, so the port is not known before the start: \
                  give the URL, as in sideman healthcheck http://127.0.0.1:8080/healthz"
            .into()),
        port => Ok((CheckPeer::Host(SocketAddr::new(ip, port).to_string()), preface)),
    }
}
