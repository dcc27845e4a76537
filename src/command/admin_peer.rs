//! Finds the admin listener of the running process, for commands that ask it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::{self, Environment, Flags};

/// Returns the address of the process that runs with the same settings.
pub(super) fn address(flags: &Flags, environment: &Environment) -> Result<SocketAddr, String> {
    let address =
        config::admin_address(flags, environment).map_err(|problems| problems.to_string())?;
    let address = address.ok_or(
        "admin.listen is off, so the running process cannot be asked: set it, or give --admin ADDR",
    )?;
    reachable(address)
}

/// Returns the address at which a local listener accepts connections.
fn reachable(address: SocketAddr) -> Result<SocketAddr, String> {
    if address.port() == 0 {
        return Err("admin.listen has port 0, so the port is not known: give --admin ADDR".into());
    }
    let ip: IpAddr = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    Ok(SocketAddr::new(ip, address.port()))
}
