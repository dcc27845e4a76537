//! The header of the PROXY protocol, versions 1 and 2 (`haproxy.org/download/3.0/doc/proxy-protocol.txt`). A load
//! balancer sends it in front of everything else on a connection, to say which client it forwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Maximum length of a header of version 1, with its CRLF (section 2.1).
const MAX_TEXT: usize = 107;
/// Maximum length of a header of version 2 that is accepted, with its additional values (TLV). The protocol allows
/// 65,551 bytes; load balancers send fewer than 600, even with the name of a client's certificate.
const MAX_BINARY: usize = 1024;
/// Maximum length of a header of either version.
pub const MAX_HEADER: usize = MAX_BINARY;

/// How a header of version 1 begins.
const TEXT: &[u8] = b"PROXY ";
/// How a header of version 2 begins (section 2.2). No request of HTTP and no TLS handshake begins this way.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The fixed part of version 2: signature, command, family and length.
const FIXED_PART: usize = 16;

/// The addresses of the connection between a client and its load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxiedAddresses {
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub server: SocketAddr,
}

/// The result of reading the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// All bytes belong to the header, and more of it is missing.
    Partial,
    Complete {
        length: usize,
        /// `None` if the header names no address: the load balancer's own connection (LOCAL), such as a health check,
        /// or a client without one (UNKNOWN, UNSPEC, Unix sockets).
        addresses: Option<ProxiedAddresses>,
    },
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeaderFault {
    /// The first bytes are something else.
    Missing,
    Malformed,
    TooLong,
}

/// Reads the header that these bytes begin with. Bytes behind the header change nothing.
pub fn parse(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderFault> {
    if begins(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else if begins(bytes, TEXT) {
        parse_text(bytes)
    } else {
        Err(ProxyHeaderFault::Missing)
    }
}

/// Whether the bytes begin like `start`, as far as both go.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    bytes.iter().zip(start).all(|(a, b)| a == b)
}

/// Reads a header of version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 50000 443` and CRLF (section 2.1).
fn parse_text(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderFault> {
    let bounded = bytes.get(..MAX_TEXT).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', bounded) else {
        let is_full = bounded.len() == MAX_TEXT;
        return if is_full { Err(ProxyHeaderFault::TooLong) } else { Ok(ProxyHeader::Partial) };
    };
    let line = bounded.get(TEXT.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let addresses = text_addresses(line.ok_or(ProxyHeaderFault::Malformed)?);
    let addresses = addresses.ok_or(ProxyHeaderFault::Malformed)?;
    Ok(ProxyHeader::Complete { length: end + 1, addresses })
}

/// Returns the addresses of a line of version 1, or `None` if it is malformed.
fn text_addresses(line: &str) -> Option<Option<ProxiedAddresses>> {
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    let read = match family {
        // Whatever follows must be ignored.
        "UNKNOWN" => return Some(None),
        "TCP4" => |ip: &str| ip.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => |ip: &str| ip.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return None,
    };
    let mut parts = rest.split(' ');
    let (client, server) = (read(parts.next()?)?, read(parts.next()?)?);
    let (client_port, server_port) = (port(parts.next()?)?, port(parts.next()?)?);
    let addresses = ProxiedAddresses {
        client: SocketAddr::new(client, client_port),
        server: SocketAddr::new(server, server_port),
    };
    parts.next().is_none().then_some(Some(addresses))
}

/// Reads a port: decimal, without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}

/// Reads a header of version 2 (section 2.2). Additional values are skipped.
fn parse_binary(bytes: &[u8]) -> Result<ProxyHeader, ProxyHeaderFault> {
    let has_addresses = match bytes.get(12) {
        None => return Ok(ProxyHeader::Partial),
        Some(0x20) => false,
        Some(0x21) => true,
        Some(_) => return Err(ProxyHeaderFault::Malformed),
    };
    let (Some(&family), Some(length)) = (bytes.get(13), bytes.get(14..FIXED_PART)) else {
        return Ok(ProxyHeader::Partial);
    };
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    if FIXED_PART + length > MAX_BINARY {
        return Err(ProxyHeaderFault::TooLong);
    }
    let needed = match family {
        // The receiver must ignore what comes with LOCAL, the family included.
        _ if !has_addresses => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        // Datagrams, and families that do not exist.
        _ => return Err(ProxyHeaderFault::Malformed),
    };
    if length < needed {
        return Err(ProxyHeaderFault::Malformed);
    }
    let Some(rest) = bytes.get(FIXED_PART..FIXED_PART + length) else {
        return Ok(ProxyHeader::Partial);
    };
    let addresses = match family {
        _ if !has_addresses => None,
        0x11 => binary_addresses::<4>(rest),
        0x21 => binary_addresses::<16>(rest),
        _ => None,
    };
    Ok(ProxyHeader::Complete { length: FIXED_PART + length, addresses })
}

/// Reads two addresses of `N` bytes and two ports.
fn binary_addresses<const N: usize>(bytes: &[u8]) -> Option<ProxiedAddresses>
where
    IpAddr: From<[u8; N]>,
{
    let (client, rest) = bytes.split_first_chunk::<N>()?;
    let (server, rest) = rest.split_first_chunk::<N>()?;
    let (client_port, rest) = rest.split_first_chunk()?;
    let (server_port, _) = rest.split_first_chunk()?;
    Some(ProxiedAddresses {
        client: SocketAddr::new(IpAddr::from(*client), u16::from_be_bytes(*client_port)),
        server: SocketAddr::new(IpAddr::from(*server), u16::from_be_bytes(*server_port)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(client: &str, server: &str) -> Option<ProxiedAddresses> {
        Some(ProxiedAddresses { client: client.parse().unwrap(), server: server.parse().unwrap() })
    }

    /// Writes a header of version 2.
    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    fn octets(ip: IpAddr) -> Vec<u8> {
        match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        }
    }

    /// Writes both versions of a header.
    fn written(addresses: ProxiedAddresses, values: &[u8]) -> [Vec<u8>; 2] {
        let ProxiedAddresses { client, server } = addresses;
        let (name, family) = if client.is_ipv4() { ("TCP4", 0x11) } else { ("TCP6", 0x21) };
        let (from, to) = (client.ip(), server.ip());
        let ports = [client.port().to_be_bytes(), server.port().to_be_bytes()].concat();
        let rest = [octets(from), octets(to), ports, values.to_vec()].concat();
        let text =
            format!("PROXY {name} {from} {to} {} {}\r\n", client.port(), server.port()).into();
        [text, binary(0x21, family, &rest)]
    }

    #[test]
    fn text_headers_are_read() {
        let complete = |text: &str, expected| {
            let header = ProxyHeader::Complete { length: text.len(), addresses: expected };
            assert_eq!(parse(text.as_bytes()), Ok(header), "{text:?}");
        };
        complete(
            "PROXY TCP4 192.0.2.1 198.51.100.1 50000 443\r\n",
            addresses("192.0.2.1:50000", "198.51.100.1:443"),
        );
        complete("PROXY TCP6 2001:db8::1 ::1 0 1\r\n", addresses("[2001:db8::1]:0", "[::1]:1"));
        let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        complete(
            &format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n"),
            addresses(&format!("[{longest}]:65535"), &format!("[{longest}]:65535")),
        );
        complete("PROXY UNKNOWN\r\n", None);
        complete(&format!("PROXY UNKNOWN {longest} {longest} 65535 65535\r\n"), None);
        complete(&format!("PROXY UNKNOWN {}\r\n", "x".repeat(91)), None);
    }

    #[test]
    fn malformed_text_headers_are_refused() {
        for line in [
            "TCP4 192.0.2.1 198.51.100.1 50000 443 ",
            "TCP4 192.0.2.1 198.51.100.1 50000 443 x",
            "TCP4 192.0.2.1 198.51.100.1 50000",
            "TCP4  192.0.2.1 198.51.100.1 50000 443",
            "TCP4 192.0.2.1 198.51.100.1 50000 65536",
            "TCP4 192.0.2.1 198.51.100.1 50000 0443",
            "TCP4 192.0.2.1 198.51.100.1 50000 +443",
            "TCP4 192.0.2.1 198.51.100.1 50000 -1",
            "TCP4 192.0.2.1 198.51.100.1 50000 ",
            "TCP4 192.0.2 198.51.100.1 50000 443",
            "TCP4 192.0.2.01 198.51.100.1 50000 443",
            "TCP4 ::1 ::1 50000 443",
            "TCP4 a.test 198.51.100.1 50000 443",
            "TCP6 192.0.2.1 198.51.100.1 50000 443",
            "TCP6 fe80::1%eth0 ::1 50000 443",
            "tcp4 192.0.2.1 198.51.100.1 50000 443",
            "UDP4 192.0.2.1 198.51.100.1 50000 443",
            "TCP4",
            "",
            "UNKNOWNS",
        ] {
            let text = format!("PROXY {line}\r\n");
            assert_eq!(parse(text.as_bytes()), Err(ProxyHeaderFault::Malformed), "{text:?}");
        }
        for text in [&b"PROXY UNKNOWN\n"[..], b"PROXY \n", b"PROXY \xff\r\n"] {
            assert_eq!(parse(text), Err(ProxyHeaderFault::Malformed), "{text:?}");
        }
        let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!(parse(too_long.as_bytes()), Err(ProxyHeaderFault::TooLong));
    }

    #[test]
    fn other_protocols_have_no_header() {
        let others =
            ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "POST", "\x16\x03\x01", "\r\n\r\nG"];
        for text in others.into_iter().chain(["proxy TCP4", "PROXY\tTCP4", " PROXY TCP4"]) {
            assert_eq!(parse(text.as_bytes()), Err(ProxyHeaderFault::Missing), "{text:?}");
        }
    }

    #[test]
    fn binary_headers_without_addresses_are_complete() {
        for (command, family, rest) in [
            (0x20, 0x00, 0),
            (0x20, 0x11, 12),
            (0x20, 0xff, 700),
            (0x21, 0x00, 0),
            (0x21, 0x00, 40),
            (0x21, 0x31, 216),
        ] {
            let bytes = binary(command, family, &vec![1; rest]);
            let header = ProxyHeader::Complete { length: 16 + rest, addresses: None };
            assert_eq!(parse(&bytes), Ok(header), "{command:x} {family:x}");
        }
    }

    #[test]
    fn malformed_binary_headers_are_refused() {
        for (command, family, rest) in [
            (0x22, 0x11, 12),
            (0x11, 0x11, 12),
            (0x31, 0x11, 12),
            (0x01, 0x11, 12),
            (0x21, 0x12, 12),
            (0x21, 0x22, 36),
            (0x21, 0x32, 216),
            (0x21, 0x10, 12),
            (0x21, 0x01, 12),
            (0x21, 0x41, 12),
            (0x21, 0x11, 11),
            (0x21, 0x21, 35),
            (0x21, 0x31, 215),
        ] {
            let bytes = binary(command, family, &vec![1; rest]);
            assert_eq!(parse(&bytes), Err(ProxyHeaderFault::Malformed), "{command:x} {family:x}");
            assert_eq!(parse(&bytes[..16]), Err(ProxyHeaderFault::Malformed));
        }
        for command in [0x20, 0x21] {
            let longest = binary(command, 0x11, &[1; MAX_BINARY - FIXED_PART]);
            assert!(matches!(parse(&longest), Ok(ProxyHeader::Complete { length: 1024, .. })));
            let longer = binary(command, 0x11, &[1; MAX_BINARY - FIXED_PART + 1]);
            assert_eq!(parse(&longer[..16]), Err(ProxyHeaderFault::TooLong));
        }
    }

    fn pair() -> impl Strategy<Value = ProxiedAddresses> {
        let address = |ip, port| SocketAddr::new(ip, port);
        let v4 = (any::<[Ipv4Addr; 2]>(), any::<[u16; 2]>()).prop_map(move |(ips, ports)| {
            let [client, server] =
                [0, 1].map(|index: usize| address(ips[index].into(), ports[index]));
            ProxiedAddresses { client, server }
        });
        let v6 = (any::<[Ipv6Addr; 2]>(), any::<[u16; 2]>()).prop_map(move |(ips, ports)| {
            let [client, server] =
                [0, 1].map(|index: usize| address(ips[index].into(), ports[index]));
            ProxiedAddresses { client, server }
        });
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn written_headers_are_read_and_every_prefix_is_partial(
            addresses in pair(),
            values in proptest::collection::vec(any::<u8>(), 0..300),
            behind in proptest::collection::vec(any::<u8>(), 0..30),
        ) {
            for bytes in written(addresses, &values) {
                let length = bytes.len();
                for end in 0..length {
                    prop_assert_eq!(parse(&bytes[..end]), Ok(ProxyHeader::Partial));
                }
                let complete = ProxyHeader::Complete { length, addresses: Some(addresses) };
                prop_assert_eq!(parse(&bytes), Ok(complete));
                prop_assert_eq!(parse(&[bytes, behind.clone()].concat()), Ok(complete));
            }
        }

        #[test]
        fn damaged_headers_stay_within_their_bounds(
            addresses in pair(),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            for mut bytes in written(addresses, &[]) {
                for (index, byte) in &damage {
                    let index = index.index(bytes.len());
                    bytes[index] = *byte;
                }
                if let Ok(ProxyHeader::Complete { length, .. }) = parse(&bytes) {
                    prop_assert!(length <= bytes.len());
                }
            }
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
            prop_assume!(!begins(&bytes, TEXT) && !begins(&bytes, SIGNATURE));
            prop_assert_eq!(parse(&bytes), Err(ProxyHeaderFault::Missing));
        }
    }
}
