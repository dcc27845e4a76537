//! Addresses of an application that lead back to Sideman. Each request would return to Sideman until its resources are
//! exhausted.

use std::net::IpAddr;

use crate::plan::{ListenAddress, UpstreamTarget};

use super::conflict::Conflict;

/// Returns a conflict for each server whose address is one of Sideman's own listeners.
pub(super) fn conflicts<'a>(
    servers: impl Iterator<Item = &'a UpstreamTarget>,
    listening: &[&ListenAddress],
) -> Vec<Conflict> {
    let conflict = |target: &UpstreamTarget| {
        let own = listening.iter().find(|own| is_reached(target, own))?;
        let text = format!(
            "{target} is where Sideman itself listens ({own}): write the address of the other server"
        );
        let plain = "this is where Sideman itself listens: write the address of the other server";
        Some(Conflict::new(text, plain))
    };
    servers.filter_map(conflict).collect()
}

/// Returns whether a connection to this target reaches a listener. It asks neither a name server nor the system.
fn is_reached(target: &UpstreamTarget, listen: &ListenAddress) -> bool {
    match (target, listen) {
        (UpstreamTarget::Unix(path), ListenAddress::Unix(own)) => path == own,
        (UpstreamTarget::Tcp { host, port }, ListenAddress::Tcp(own)) if *port == own.port() => {
            let own = own.ip().to_canonical();
            match host.parse::<IpAddr>() {
                Ok(address) => is_same(address.to_canonical(), own),
                Err(_) => is_localhost(host) && (own.is_loopback() || own.is_unspecified()),
            }
        }
        (
            UpstreamTarget::Tcp { .. } | UpstreamTarget::Unix(_),
            ListenAddress::Tcp(_) | ListenAddress::Unix(_),
        ) => false,
    }
}

/// Compares the addresses. An IPv6 listener does not accept IPv4. A connection to 0.0.0.0 reaches this machine.
fn is_same(address: IpAddr, own: IpAddr) -> bool {
    let is_here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    address == own
        || address.is_ipv4() == own.is_ipv4()
            && ((own.is_unspecified() && is_here(address))
                || (address.is_unspecified() && own.is_loopback()))
}

/// Returns whether the name is a local one (RFC 6761, 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_recognised() {
        let tcp = |host: &str, port| UpstreamTarget::Tcp { host: host.into(), port };
        let at = |text: &str| match text.parse() {
            Ok(address) => ListenAddress::Tcp(address),
            Err(_) => ListenAddress::Unix(text.into()),
        };
        for (host, port, own, expected) in [
            ("127.0.0.1", 8080, "127.0.0.1:8080", true),
            ("127.0.0.1", 8000, "127.0.0.1:8080", false),
            ("127.0.0.2", 8080, "127.0.0.1:8080", false),
            ("127.0.0.2", 8080, "0.0.0.0:8080", true),
            ("127.0.0.1", 8080, "[::]:8080", false),
            ("::1", 8080, "[::]:8080", true),
            ("::1", 8080, "[::1]:8080", true),
            ("::1", 8080, "0.0.0.0:8080", false),
            ("::ffff:127.0.0.1", 8080, "0.0.0.0:8080", true),
            ("0.0.0.0", 8080, "0.0.0.0:8080", true),
            ("0.0.0.0", 8080, "127.0.0.1:8080", true),
            ("0.0.0.0", 8080, "192.0.2.1:8080", false),
            ("192.0.2.1", 8080, "192.0.2.1:8080", true),
            // The test cannot know whether this machine has the address.
            ("192.0.2.1", 8080, "0.0.0.0:8080", false),
            ("localhost", 8080, "0.0.0.0:8080", true),
            ("LOCALHOST.", 8080, "127.0.0.1:8080", true),
            ("app.localhost", 8080, "[::1]:8080", true),
            ("localhost", 8080, "192.0.2.1:8080", false),
            ("localhost", 8000, "0.0.0.0:8080", false),
            ("app", 8080, "0.0.0.0:8080", false),
            ("127.0.0.1", 8080, "/run/a.sock", false),
        ] {
            assert_eq!(is_reached(&tcp(host, port), &at(own)), expected, "{host}:{port} {own}");
        }
        let unix = |path: &str| UpstreamTarget::Unix(path.into());
        assert!(is_reached(&unix("/run/a.sock"), &at("/run/a.sock")));
        assert!(is_reached(&unix("/run//./a.sock"), &at("/run/a.sock")));
        assert!(!is_reached(&unix("/run/b.sock"), &at("/run/a.sock")));
        assert!(!is_reached(&unix("/run/a.sock"), &at("127.0.0.1:80")));
    }
}
