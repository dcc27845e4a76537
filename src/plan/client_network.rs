//! The network of one client, for limits for each client: an IPv4 address, or an IPv6 /64, because one client may use
//! all of its addresses.

use std::net::{IpAddr, Ipv6Addr};

/// A client's network, represented by its first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientNetwork(IpAddr);

/// The part of an IPv6 address that a provider assigns to its customer.
const PREFIX_LENGTH: u32 = 64;

// === impl ClientNetwork ===

impl ClientNetwork {
    /// Returns its first address.
    pub fn first_address(self) -> IpAddr {
        self.0
    }

    /// Returns the network of this address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => {
                let first = v6.to_bits() & (u128::MAX << (u128::BITS - PREFIX_LENGTH));
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
