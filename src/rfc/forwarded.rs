//! `X-Forwarded-For`, read from right to left: each proxy appends the peer it saw, so only the
//! entries right of the first stranger are worth anything.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;

/// Finds the client: the peer itself unless trusted, else the right-most entry that is not a
/// trusted proxy. An entry that is no address ends the search at the last address known good.
pub fn client<'a>(
    peer: IpAddr,
    entries: impl DoubleEndedIterator<Item = &'a HeaderValue>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    if !is_trusted(client) {
        return client;
    }
    for value in entries.rev() {
        let Ok(list) = value.to_str() else { return client };
        for entry in list.rsplit(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let Some(address) = address(entry) else { return client };
            client = address;
            if !is_trusted(client) {
                return client;
            }
        }
    }
    client
}

/// An entry: an address, perhaps quoted, in brackets, or with the port that an AWS load balancer
/// can be told to add. IPv4 in IPv6 form is given as IPv4.
pub fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches('"');
    let address = if let Ok(address) = entry.parse::<IpAddr>() {
        address
    } else if let Ok(socket) = entry.parse::<SocketAddr>() {
        socket.ip()
    } else {
        entry.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok()?
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(peer: &str, lists: &[&str]) -> String {
        let values: Vec<HeaderValue> =
            lists.iter().map(|list| HeaderValue::from_str(list).unwrap()).collect();
        let trusted = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback(),
        };
        client(peer.parse().unwrap(), values.iter(), trusted).to_string()
    }

    #[test]
    fn right_to_left() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.7"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["\"[2001:db8::1]:1\""], "2001:db8::1"),
            ("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.9"], "10.0.0.9"),
            ("10.0.0.1", &["198.51.100.1, "], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        for (peer, lists, expected) in cases {
            assert_eq!(resolve(peer, lists), *expected, "{peer} {lists:?}");
        }
    }
}
