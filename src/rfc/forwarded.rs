//! `X-Forwarded-For`, read from right to left. Each proxy appends its peer's address, so only the entries from the
//! right up to the first untrusted address are reliable.

use std::net::{IpAddr, SocketAddrV4};

/// Finds the client: the peer itself unless it is trusted, else the right-most entry that is not a trusted proxy. If an
/// entry is no address, the search ends at the last valid address.
pub fn client<'a>(
    peer: IpAddr,
    entries: impl DoubleEndedIterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    if is_trusted(peer) { behind(peer, entries, is_trusted) } else { peer }
}

/// Finds the client behind a trusted peer, whatever the peer's address is.
pub fn behind<'a>(
    peer: IpAddr,
    entries: impl DoubleEndedIterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    for value in entries.rev() {
        for entry in value.rsplit(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if entry.is_empty() {
                continue;
            }
            // The entries left of it were written by the sender of this one, and are no more reliable.
            let Some(address) = address(entry) else { return client };
            client = address;
            if !is_trusted(client) {
                return client;
            }
        }
    }
    client
}

/// Parses an entry: an address, which may be quoted, in brackets, with a zone (RFC 4007, 11), or with the port that an
/// AWS load balancer can add. IPv4 in IPv6 form is given as IPv4.
pub fn address(entry: &[u8]) -> Option<IpAddr> {
    // Each entry is checked on its own, because a client may have put any bytes before it.
    let entry = std::str::from_utf8(entry).ok()?;
    let entry = entry.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(entry);
    let address = match entry.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            if !port.is_empty() {
                self::port(port.strip_prefix(':')?.as_bytes())?;
            }
            IpAddr::V6(without_zone(address)?.parse().ok()?)
        }
        None => match entry.parse::<SocketAddrV4>() {
            Ok(socket) => IpAddr::V4(*socket.ip()),
            Err(_) => without_zone(entry)?.parse().ok()?,
        },
    };
    Some(address.to_canonical())
}

/// Returns the last proxy's value of a field such as `X-Forwarded-Proto`, which each proxy replaces or appends to.
pub fn last<'a>(fields: impl DoubleEndedIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut fields = fields;
    let field = fields.next_back()?;
    field.rsplit(|&byte| byte == b',').next().map(<[u8]>::trim_ascii)
}

/// Parses a port in decimal digits; 0 is none.
pub fn port(digits: &[u8]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|&port| port != 0)
}

/// Returns an address without its zone, the name of an interface, which means nothing elsewhere.
fn without_zone(address: &str) -> Option<&str> {
    match address.split_once('%') {
        Some((address, zone)) if address.contains(':') && !zone.is_empty() => Some(address),
        Some(_) => None,
        None => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolve(peer: &str, lists: &[&str]) -> String {
        let lists: Vec<&[u8]> = lists.iter().map(|list| list.as_bytes()).collect();
        let trusted = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback(),
        };
        client(peer.parse().unwrap(), lists.into_iter(), trusted).to_string()
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
            // The client's own entries hide no entry right of them.
            ("10.0.0.1", &["caf\u{e9}, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["caf\u{e9}", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, caf\u{e9}"], "10.0.0.1"),
            ("10.0.0.1", &["", ", ,\t", "198.51.100.1,,"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1", "::1", "10.0.0.2:1"], "198.51.100.1"),
        ];
        for (peer, lists, expected) in cases {
            assert_eq!(resolve(peer, lists), *expected, "{peer} {lists:?}");
        }
    }

    #[test]
    fn addresses() {
        for (entry, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:1", Some("192.0.2.1")),
            ("192.0.2.1:65535", Some("192.0.2.1")),
            ("\"192.0.2.1:80\"", Some("192.0.2.1")),
            ("2001:db8::7", Some("2001:db8::7")),
            ("2001:DB8:0:0:0:0:0:7", Some("2001:db8::7")),
            ("[2001:db8::7]", Some("2001:db8::7")),
            ("[2001:db8::7]:443", Some("2001:db8::7")),
            ("\"[2001:db8::7]\"", Some("2001:db8::7")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[fe80::1%25eth0]:80", Some("fe80::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:80", Some("192.0.2.1")),
            ("", None),
            ("unknown", None),
            ("_hidden", None),
            ("example.org", None),
            ("192.0.2", None),
            ("192.0.2.256", None),
            ("0300.0.2.1", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:65536", None),
            ("192.0.2.1:80:80", None),
            ("192.0.2.1%eth0", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::7", None),
            ("2001:db8::7]", None),
            ("[2001:db8::7]80", None),
            ("[2001:db8::7]:", None),
            ("[2001:db8::7]:0", None),
            ("[2001:db8::7]:99999", None),
            ("[]", None),
            ("fe80::1%", None),
            ("\"192.0.2.1", None),
            ("\"", None),
            ("for=192.0.2.1", None),
            ("192.0.2.1 ", None),
        ] {
            let received = address(entry.as_bytes()).map(|address| address.to_string());
            assert_eq!(received.as_deref(), expected, "{entry:?}");
        }
    }

    #[test]
    fn the_last_word() {
        for (lists, expected) in [
            (&[][..], None),
            (&["https"], Some("https")),
            (&["http, https"], Some("https")),
            (&["https", "http"], Some("http")),
            (&["https,"], Some("")),
            (&["https\t"], Some("https")),
        ] {
            let lists: Vec<&[u8]> = lists.iter().map(|list| list.as_bytes()).collect();
            assert_eq!(last(lists.into_iter()), expected.map(str::as_bytes), "{expected:?}");
        }
    }

    #[test]
    fn ports() {
        for (digits, expected) in [
            ("80", Some(80)),
            ("65535", Some(65535)),
            ("0443", Some(443)),
            ("0", None),
            ("", None),
            ("65536", None),
            ("+80", None),
            ("-1", None),
            ("8 0", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(port(digits.as_bytes()), expected, "{digits:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(list in proptest::collection::vec(0x20_u8..=0x7e, 0..80)) {
            client([10, 0, 0, 1].into(), [&list[..]].into_iter(), |_| true);
        }

        /// A client's own claims are left of the entry that the first trusted proxy adds.
        #[test]
        fn no_claim_moves_the_client(
            claims in proptest::collection::vec("[ -~]{0,30}", 0..4),
            is_joined: bool,
        ) {
            let mut lists = claims;
            if let (true, Some(last)) = (is_joined, lists.last_mut()) {
                last.push_str(", 198.51.100.1");
            } else {
                lists.push("198.51.100.1".into());
            }
            let bytes: Vec<&[u8]> = lists.iter().map(|list| list.as_bytes()).collect();
            let peer = IpAddr::from([10, 0, 0, 1]);
            let found = client(peer, bytes.into_iter(), |address| address == peer);
            prop_assert_eq!(found, IpAddr::from([198, 51, 100, 1]), "{:?}", lists);
        }
    }
}
