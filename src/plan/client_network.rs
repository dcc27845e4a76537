//! What one client is, where clients share something: an address of IPv4, or a /64 of IPv6, all of whose addresses one
//! client may take.

use std::net::{IpAddr, Ipv6Addr};

/// A client's addresses, as the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientNetwork(IpAddr);

/// The part of an address that a provider gives its customer.
const PREFIX: u32 = 64;

// === impl ClientNetwork ===

impl ClientNetwork {
    /// Those that this one is among.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => {
                let first = v6.to_bits() & (u128::MAX << (u128::BITS - PREFIX));
                Self(Ipv6Addr::from_bits(first).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_client_are_the_same() {
        let of = |text: &str| ClientNetwork::of(text.parse().unwrap());
        for (one, other, are_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("::", "0.0.0.0", false),
        ] {
            assert_eq!(of(one) == of(other), are_same, "{one} {other}");
        }
    }
}
