//! Listening sockets that the service manager has opened: `LISTEN_FDS` of sd_listen_fds(3). They stay open while
//! Sideman restarts, and connections wait in their queues until it accepts again. A setting uses the socket with its
//! address; all other addresses are bound as usual.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

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
        let found =
            exact.or_else(|| self.0.iter().position(|one| is_same(&one.address, wanted)))?;
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

/// Whether both are the same address. `ListenStream=80` of systemd listens on `[::]:80` for both IP versions, where
/// settings usually have `0.0.0.0:80`.
fn is_same(passed: &ListenAddress, wanted: &ListenAddress) -> bool {
    let (ListenAddress::Tcp(passed), ListenAddress::Tcp(wanted)) = (passed, wanted) else {
        return passed == wanted;
    };
    let is_any = |address: &SocketAddr| address.ip().is_unspecified();
    passed == wanted || (is_any(passed) && is_any(wanted) && passed.port() == wanted.port())
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
        let address = ListenAddress::Tcp(listener.local_addr()?);
        Ok(Self { socket: listener.into(), address })
    }

    fn unix(listener: UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let path = address.as_pathname().ok_or_else(|| io::Error::other("it has no path"))?;
        let address = ListenAddress::Unix(path.to_owned());
        Ok(Self { socket: listener.into(), address })
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
    fn addresses_match_by_ip_and_port_and_any_ip_matches_any_ip() {
        for (passed, wanted, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "0.0.0.0:80", false),
            ("[::]:80", "127.0.0.1:80", false),
            ("[::]:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "[::]:80", true),
            ("[::]:80", "0.0.0.0:81", false),
        ] {
            assert_eq!(is_same(&tcp(passed), &tcp(wanted)), expected, "{passed} {wanted}");
        }
        let unix = |path: &str| ListenAddress::Unix(path.into());
        assert!(is_same(&unix("/run/a"), &unix("/run/a")));
        assert!(!is_same(&unix("/run/a"), &unix("/run/b")));
        assert!(!is_same(&unix("/run/a"), &tcp("0.0.0.0:80")));
    }

    #[test]
    fn exact_address_is_preferred() {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = |address| InheritedSocket { socket: listen().into(), address };
        let mut sockets = InheritedSockets(vec![socket(tcp("[::]:80")), socket(tcp("0.0.0.0:80"))]);
        assert!(sockets.remove(&tcp("0.0.0.0:80")).is_some());
        assert_eq!(sockets.0[0].address, tcp("[::]:80"));
        assert!(sockets.remove(&tcp("127.0.0.1:80")).is_none());
        let error = sockets.check_all_used().unwrap_err().to_string();
        assert!(error.contains("the socket [::]:80 "), "{error}");
    }
}
