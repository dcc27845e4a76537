//! Addresses to listen on, and networks to trust.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use crate::plan::ListenAddress;

use super::{
    format::{FormatProperties, TextFormat},
    local_path,
};

/// A listener's address.
pub(super) const ENDPOINT: TextFormat<ListenAddress> = TextFormat::address(
    "IP:PORT, such as 0.0.0.0:8080 or [::]:8080, a port alone, or unix:/PATH",
    endpoint,
    ListenAddress::to_string,
);

/// One address to listen on, or `off`.
pub(super) const LISTEN_OR_OFF: TextFormat<Option<SocketAddr>> =
    TextFormat::address("IP:PORT, such as 127.0.0.1:9180, or off", listen_or_off, |listen| {
        listen.map_or_else(|| "off".into(), |address| address.to_string())
    });

/// A list of networks and addresses. A word such as `alb` means several networks.
pub(super) const NETWORKS: TextFormat<Vec<IpNet>> = TextFormat::new(
    "networks or addresses, such as 10.0.0.0/8; or alb, or private",
    networks,
    |networks| networks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", "),
)
.with(FormatProperties::ADDRESS);

/// Networks of clients. `all` is every address.
pub(super) const CLIENTS: TextFormat<Vec<IpNet>> = TextFormat {
    expected: "networks or addresses, such as 10.0.0.0/8; or all, or private",
    read: clients,
    ..NETWORKS
}
.with(FormatProperties { stands_alone: true, ..FormatProperties::ADDRESS });

/// Private networks of a VPC, where an AWS load balancer usually is. A VPC can also have public ranges and IPv6
/// networks of Amazon.
pub(super) const ALB: [&str; 5] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];
/// The networks that `private` adds: loopback and link-local.
const NEAR: [&str; 4] = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10"];

/// The networks of every address.
const EVERY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Maximum length of a socket's path in bytes (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// Reads an address, or `unix:` and the path of a socket.
fn endpoint(text: &str) -> Result<ListenAddress, String> {
    if text.starts_with('/') {
        return Err(format!("write unix:{text}"));
    }
    let Some(path) = text.strip_prefix("unix:") else {
        return listen(text).map(ListenAddress::Tcp);
    };
    if path.starts_with("//") {
        return Err(format!("write unix:/{}", path.trim_start_matches('/')));
    }
    if path.len() > MAX_SOCKET_PATH {
        let fault = format!("the path of a socket has at most {MAX_SOCKET_PATH} bytes: shorten it");
        return Err(fault);
    }
    local_path::file(path).map(ListenAddress::Unix)
}

/// Reads `IP:PORT`, `:PORT` or `PORT`; without an IP it is every IPv4 address.
fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port(bare) {
        return Ok(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port));
    }
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.starts_with('/') || text.starts_with("unix:") {
        return Err("a unix socket is not supported here".into());
    }
    if text.contains("://") {
        return Err("this is a URL: write the address and the port only".into());
    }
    let unbracketed = text.trim_start_matches('[').trim_end_matches(']');
    match unbracketed.parse() {
        Ok(ip) => return Err(format!("the port is missing: write {}", SocketAddr::new(ip, 8080))),
        Err(_) if bare.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err("ports go up to 65535".into());
        }
        Err(_) => {}
    }
    match text.rsplit_once(':') {
        Some(("*", after)) if port(after).is_ok() => {
            Err(format!("write 0.0.0.0:{after}, or [::]:{after}"))
        }
        Some(("localhost", after)) if port(after).is_ok() => {
            Err(format!("names are not looked up: write 127.0.0.1:{after}"))
        }
        Some((host, after)) if port(after).is_ok() && host.parse::<IpAddr>().is_err() => {
            Err("names are not looked up: write an IP address".into())
        }
        Some((host, after)) if port(after).is_ok() => Err(format!("write [{host}]:{after}")),
        _ => Err("this is not an address".into()),
    }
}

/// Reads an address to listen on, or `off`.
fn listen_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    match text {
        "off" => Ok(None),
        "none" | "false" | "no" => Err("write off".into()),
        _ => listen(text).map(Some),
    }
}

/// Returns whether two listeners use the same port or socket.
pub(super) fn same(a: &ListenAddress, b: &ListenAddress) -> bool {
    match (a, b) {
        (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) => clash(*a, *b),
        (ListenAddress::Unix(a), ListenAddress::Unix(b)) => a == b,
        (ListenAddress::Tcp(_), ListenAddress::Unix(_))
        | (ListenAddress::Unix(_), ListenAddress::Tcp(_)) => false,
    }
}

/// Returns whether two listeners would bind the same port. Port 0 is a new one each time.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let overlap = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && a.is_ipv4() == b.is_ipv4() && overlap
}

/// Reads one network, one address, or a word for several.
fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let named = match text {
        "alb" => Some(&[][..]),
        "private" => Some(&NEAR[..]),
        _ => None,
    };
    if let Some(more) = named {
        return Ok(ALB.iter().chain(more).filter_map(|network| network.parse().ok()).collect());
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(vec![ip.to_canonical().into()]);
    }
    let network: IpNet = text.parse().map_err(|_| not_a_network(text))?;
    if network.trunc() != network {
        return Err(format!(
            "the address has bits set after its prefix: write {}",
            network.trunc()
        ));
    }
    Ok(vec![unmapped(network)])
}

/// Reads one network, one address, or a word for several.
fn clients(text: &str) -> Result<Vec<IpNet>, String> {
    match text {
        "all" => Ok(EVERY.iter().filter_map(|network| network.parse().ok()).collect()),
        "*" | "any" => Err("write all".into()),
        text => networks(text),
    }
}

/// Converts an IPv4-mapped IPv6 network to IPv4, because peers are compared in that form.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4)
}

/// Returns whether these include all networks of `alb`.
pub(super) fn are_alb(networks: &[IpNet]) -> bool {
    let mut all = ALB.iter().map(|network| network.parse::<IpNet>());
    all.all(|network| network.is_ok_and(|network| networks.contains(&network)))
}

fn not_a_network(text: &str) -> String {
    match text {
        "" => "it is empty".into(),
        "*" => "to trust every peer, write 0.0.0.0/0 and ::/0".into(),
        "localhost" => "names are not looked up: write 127.0.0.1".into(),
        "ALB" | "elb" | "aws" => "write alb".into(),
        text if text.parse::<SocketAddr>().is_ok() => "write it without the port".into(),
        _ => "this is neither a network nor an address".into(),
    }
}

fn port(text: &str) -> Result<u16, ()> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| ()),
        false => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listens(text: &str, expected: Result<&str, &str>) {
        let read = listen(text).map(|address| address.to_string());
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(read, expected, "{text:?}");
    }

    #[test]
    fn addresses() {
        listens("127.0.0.1:80", Ok("127.0.0.1:80"));
        listens("[::]:8080", Ok("[::]:8080"));
        listens(":8080", Ok("0.0.0.0:8080"));
        listens("8080", Ok("0.0.0.0:8080"));
        listens("0", Ok("0.0.0.0:0"));
        listens("", Err("it is empty"));
        listens("0.0.0.0", Err("the port is missing: write 0.0.0.0:8080"));
        listens("::1", Err("the port is missing: write [::1]:8080"));
        listens("[::1]", Err("the port is missing: write [::1]:8080"));
        listens("fe80::1%eth0:80", Err("names are not looked up: write an IP address"));
        listens("*:80", Err("write 0.0.0.0:80, or [::]:80"));
        listens("localhost:80", Err("names are not looked up: write 127.0.0.1:80"));
        listens("web:80", Err("names are not looked up: write an IP address"));
        listens("70000", Err("ports go up to 65535"));
        listens("unix:/run/web.sock", Err("a unix socket is not supported here"));
        listens("http://0.0.0.0:80", Err("this is a URL: write the address and the port only"));
        listens("+80", Err("this is not an address"));
        listens("127.0.0.1:http", Err("this is not an address"));
    }

    #[test]
    fn sockets() {
        let reads = |text: &str, expected: Result<&str, &str>| {
            let read = endpoint(text).map(|listen| listen.to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(read, expected, "{text:?}");
        };
        reads("8080", Ok("0.0.0.0:8080"));
        reads("[::1]:8443", Ok("[::1]:8443"));
        reads("unix:/run/web.sock", Ok("unix:/run/web.sock"));
        reads("/run/web.sock", Err("write unix:/run/web.sock"));
        reads("unix:///run/web.sock", Err("write unix:/run/web.sock"));
        reads("unix:web.sock", Err("the path must be absolute: it must start with /"));
        reads("unix:", Err("it is empty"));
        reads("unix:/run/", Err("this is the path of a directory: write that of a file"));
        let longest = format!("unix:/{}", "s".repeat(106));
        reads(&longest, Ok(&longest));
        let fault = "the path of a socket has at most 107 bytes: shorten it";
        reads(&format!("{longest}s"), Err(fault));
        reads("localhost:80", Err("names are not looked up: write 127.0.0.1:80"));
    }

    #[test]
    fn sockets_that_clash() {
        let check = |a: &str, b: &str| same(&endpoint(a).unwrap(), &endpoint(b).unwrap());
        assert!(check("unix:/run/a", "unix:/run/a"));
        assert!(!check("unix:/run/a", "unix:/run/b"));
        assert!(!check("unix:/run/a", "80"));
        assert!(check("80", "127.0.0.1:80"));
    }

    #[test]
    fn networks_and_presets() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let read = networks(text).map(|found| found.iter().map(IpNet::to_string).collect());
            let read = read.map(|found: Vec<String>| found.join(" "));
            assert_eq!(read, expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
        };
        check("10.0.0.0/8", Ok("10.0.0.0/8"));
        check("10.1.2.3", Ok("10.1.2.3/32"));
        check("::1", Ok("::1/128"));
        check("::ffff:127.0.0.1", Ok("127.0.0.1/32"));
        check("::ffff:10.0.0.0/104", Ok("10.0.0.0/8"));
        check("::ffff:7f00:1/128", Ok("127.0.0.1/32"));
        check("::ffff:0:0/96", Ok("0.0.0.0/0"));
        check("::/0", Ok("::/0"));
        check("::/64", Ok("::/64"));
        let behind = "the address has bits set after its prefix: write ::ffff:10.0.0.0/104";
        check("::ffff:10.1.0.0/104", Err(behind));
        check("alb", Ok("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7"));
        check("private", Ok(&format!("{} {}", ALB.join(" "), NEAR.join(" "))));
        check("10.1.0.0/8", Err("the address has bits set after its prefix: write 10.0.0.0/8"));
        check("10.0.0.0/33", Err("this is neither a network nor an address"));
        check("10.0.0.1:80", Err("write it without the port"));
        check("*", Err("to trust every peer, write 0.0.0.0/0 and ::/0"));
        check("", Err("it is empty"));
    }

    #[test]
    fn listeners_that_clash() {
        let check = |a: &str, b: &str| clash(a.parse().unwrap(), b.parse().unwrap());
        assert!(check("127.0.0.1:80", "127.0.0.1:80"));
        assert!(check("0.0.0.0:80", "127.0.0.1:80"));
        assert!(!check("0.0.0.0:0", "0.0.0.0:0"));
        assert!(!check("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!check("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!check("0.0.0.0:80", "[::]:80"));
    }

    proptest! {
        #[test]
        fn a_shown_address_reads_back(ip in any::<IpAddr>(), port in any::<u16>()) {
            let address = SocketAddr::new(ip, port);
            prop_assert_eq!(listen(&address.to_string()), Ok(address));
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = listen_or_off(&text);
            let _ = endpoint(&text);
            let _ = networks(&text);
        }
    }
}
