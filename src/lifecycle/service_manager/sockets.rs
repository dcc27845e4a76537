//! Listening sockets that the service manager has opened: `LISTEN_FDS` of sd_listen_fds(3). They stay open while
//! Sideman restarts, and connections wait in their queues until it accepts again. A setting uses the socket with its
//! address; all other addresses are bound as usual.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
};

use listenfd::ListenFd;
use rustix::net::sockopt::{ipv6_v6only, socket_acceptconn};

use crate::plan::ListenAddress;

/// The first descriptor that is passed.
const FIRST_DESCRIPTOR: usize = 3;

/// The sockets that no setting has taken yet.
#[derive(Debug, Default)]
pub(in crate::lifecycle) struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
struct InheritedSocket {
    socket: OwnedFd,
    address: ListenAddress,
    /// Whether it is an IPv6 socket that takes IPv4 too.
    is_dual: bool,
}

/// A socket that was passed cannot be used.
#[derive(Debug)]
pub enum InheritedSocketError {
    /// The descriptor is no listening socket.
    NotListening { descriptor: usize, cause: io::Error },
    /// No setting has one of these addresses.
    Unused(Vec<ListenAddress>),
}

// === impl InheritedSockets ===

impl InheritedSockets {
    /// Takes the sockets that were passed to this process.
    pub(super) fn take() -> Result<Self, InheritedSocketError> {
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).filter_map(|index| {
            let descriptor = FIRST_DESCRIPTOR + index;
            let failed = |cause| InheritedSocketError::NotListening { descriptor, cause };
            InheritedSocket::take(&mut passed, index).map_err(failed).transpose()
        });
        Ok(Self(sockets.collect::<Result<_, _>>()?))
    }

    /// Removes and returns the socket with this address.
    pub(in crate::lifecycle) fn remove(&mut self, wanted: &ListenAddress) -> Option<OwnedFd> {
        let exact = self.0.iter().position(|one| one.address == *wanted);
        let found = exact.or_else(|| {
            self.0.iter().position(|one| one.is_dual && is_for_ipv4(wanted, &one.address))
        })?;
        Some(self.0.swap_remove(found).socket)
    }

    /// Fails if a socket is left. Clients could connect to it, and would wait forever.
    pub(in crate::lifecycle) fn check_all_used(self) -> Result<(), InheritedSocketError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(InheritedSocketError::Unused(self.0.into_iter().map(|one| one.address).collect()))
    }
}

/// Whether a socket for both IP versions takes all IPv4 connections of this address. `ListenStream=80` of systemd
/// listens on `[::]:80` for both, where settings usually have `0.0.0.0:80`.
fn is_for_ipv4(wanted: &ListenAddress, dual: &ListenAddress) -> bool {
    let (ListenAddress::Tcp(wanted), ListenAddress::Tcp(dual)) = (wanted, dual) else {
        return false;
    };
    let is_any = |address: &SocketAddr| address.ip().is_unspecified();
    wanted.is_ipv4() && is_any(wanted) && is_any(dual) && wanted.port() == dual.port()
}

// === impl InheritedSocket ===

impl InheritedSocket {
    /// `None` is a descriptor that was taken before.
    fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<Self>> {
        let found = match passed.take_tcp_listener(index) {
            Ok(Some(listener)) => Self::tcp(listener)?,
            Ok(None) => return Ok(None),
            Err(_) => match passed.take_unix_listener(index)? {
                Some(listener) => Self::unix(listener)?,
                None => return Ok(None),
            },
        };
        // With `Accept=yes`, systemd passes a connection.
        if !socket_acceptconn(&found.socket)? {
            return Err(io::Error::other("it does not listen"));
        }
        Ok(Some(found))
    }

    fn tcp(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let is_dual = address.is_ipv6() && !ipv6_v6only(&listener)?;
        Ok(Self { socket: listener.into(), address: ListenAddress::Tcp(address), is_dual })
    }

    fn unix(listener: UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let path = address.as_pathname().ok_or_else(|| io::Error::other("it has no path"))?;
        let address = ListenAddress::Unix(path.to_owned());
        Ok(Self { socket: listener.into(), address, is_dual: false })
    }
}

// === impl InheritedSocketError ===

impl fmt::Display for InheritedSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListening { descriptor, cause } => write!(
                f,
                "cannot listen on descriptor {descriptor}, which LISTEN_FDS passes: {cause}; in the socket unit, use \
                 ListenStream= with a port, an address or a path, without Accept=yes"
            ),
            Self::Unused(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                let addresses = addresses.join(", ");
                write!(
                    f,
                    "no setting uses the socket {addresses} that the service manager passes; set server.listen, \
                     tls.listen or admin.listen to this address, or remove it from the socket unit"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> ListenAddress {
        ListenAddress::Tcp(text.parse().unwrap())
    }

    #[test]
    fn socket_for_both_versions_takes_any_ipv4_address_of_its_port() {
        for (wanted, dual, expected) in [
            ("0.0.0.0:80", "[::]:80", true),
            ("0.0.0.0:81", "[::]:80", false),
            ("127.0.0.1:80", "[::]:80", false),
            ("0.0.0.0:80", "[::1]:80", false),
            ("[::]:80", "[::]:80", false),
        ] {
            assert_eq!(is_for_ipv4(&tcp(wanted), &tcp(dual)), expected, "{wanted} {dual}");
        }
    }

    #[test]
    fn socket_of_one_version_is_for_its_own_address_alone() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let socket =
            |address, is_dual| InheritedSocket { socket: listen().into(), address, is_dual };
        for (passed, is_dual, wanted, expected) in [
            ("127.0.0.1:80", false, "127.0.0.1:80", true),
            ("127.0.0.1:80", false, "0.0.0.0:80", false),
            ("0.0.0.0:80", false, "[::]:80", false),
            ("[::]:80", false, "0.0.0.0:80", false),
            ("[::]:80", false, "[::]:80", true),
            ("[::]:80", true, "0.0.0.0:80", true),
        ] {
            let mut sockets = InheritedSockets(vec![socket(tcp(passed), is_dual)]);
            let found = sockets.remove(&tcp(wanted)).is_some();
            assert_eq!(found, expected, "{passed} {is_dual} {wanted}");
        }
        let listener = TcpListener::bind("[::]:0").unwrap();
        assert!(InheritedSocket::tcp(listener).unwrap().is_dual);
        assert!(!InheritedSocket::tcp(listen()).unwrap().is_dual);
    }

    #[test]
    fn exact_address_is_preferred() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = |address| InheritedSocket { socket: listen().into(), address, is_dual: true };
        let mut sockets = InheritedSockets(vec![socket(tcp("[::]:80")), socket(tcp("0.0.0.0:80"))]);
        assert!(sockets.remove(&tcp("0.0.0.0:80")).is_some());
        assert_eq!(sockets.0[0].address, tcp("[::]:80"));
        assert!(sockets.remove(&tcp("127.0.0.1:80")).is_none());
        let error = sockets.check_all_used().unwrap_err().to_string();
        assert!(error.contains("the socket [::]:80 "), "{error}");
    }
}
