//! Whether the application has read what was sent on a socket.

use std::{
    net::SocketAddr,
    os::fd::{BorrowedFd, RawFd},
};

use rustix::{
    ioctl::{Getter, Opcode, ioctl},
    net::{AddressFamily, getpeername, getsockname},
};

use super::socket_diag::SocketDiag;

/// The bytes that were sent and not read, with the memory that holds them, on a unix socket (`unix(7)`, `SIOCOUTQ`).
const SIOCOUTQ: Opcode = 0x5411;

/// Returns whether bytes that were sent on a socket are unread; `None` if that cannot be seen. The socket may be closed
/// meanwhile, and its number given to another file: the answer is then about that file, or `None`.
#[expect(unsafe_code, reason = "sockets of other threads have only their numbers here; see below")]
pub(super) fn is_unread(socket: RawFd, diag: &mut SocketDiag) -> Option<bool> {
    // SAFETY: the numbers come from `SentSockets`, which never has -1 here. A borrowed descriptor should stay open as
    // long as it is borrowed, so that nobody uses a file that was opened for somebody else. Another thread may close
    // this one. What is done with it changes no file and no memory, whatever file has the number: three questions, of
    // which those for sockets fail for other files, and a number that stands for no file gives EBADF.
    let socket = unsafe { BorrowedFd::borrow_raw(socket) };
    let own = getsockname(socket).ok()?;
    if own.address_family() == AddressFamily::UNIX {
        // SAFETY: for a unix socket, SIOCOUTQ writes one int to its argument, which is what `Getter` passes. For other
        // files it is TIOCOUTQ, which also writes one int, or it is unknown.
        let queued: i32 = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) }.ok()?;
        return Some(queued > 0);
    }
    let own = SocketAddr::try_from(own).ok()?;
    let peer = SocketAddr::try_from(getpeername(socket).ok()??).ok()?;
    // The peer's socket has the addresses of this one the other way round.
    diag.unread(peer, own).map(|bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        os::{fd::AsRawFd as _, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn unix_socket_is_unread_until_the_peer_reads() {
        let mut diag = SocketDiag::default();
        let (mut own, mut peer) = UnixStream::pair().unwrap();
        assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(false));
        own.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(true));
        assert_eq!(peer.read(&mut [0; 64]).unwrap(), 18);
        assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(false));
    }

    #[test]
    fn tcp_socket_is_unread_until_the_peer_reads() {
        let mut diag = SocketDiag::default();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let mut own = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            own.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            // Also before the connection was accepted.
            assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(true), "{address}");
            let (mut peer, _) = listener.accept().unwrap();
            assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(true), "{address}");
            assert_eq!(peer.read(&mut [0; 64]).unwrap(), 18);
            assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(false), "{address}");
        }
    }

    /// A listener for both families has IPv4 clients under mapped addresses.
    #[test]
    fn peer_with_a_mapped_address_is_found() {
        let mut diag = SocketDiag::default();
        let listener = TcpListener::bind("[::]:0").unwrap();
        let address = ("127.0.0.1", listener.local_addr().unwrap().port());
        let mut own = TcpStream::connect(address).unwrap();
        own.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(is_unread(own.as_raw_fd(), &mut diag), Some(true));
    }

    #[test]
    fn other_files_show_nothing() {
        let mut diag = SocketDiag::default();
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert_eq!(is_unread(file.as_raw_fd(), &mut diag), None);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(is_unread(listener.as_raw_fd(), &mut diag), None);
        assert_eq!(is_unread(RawFd::MAX, &mut diag), None);
    }
}
