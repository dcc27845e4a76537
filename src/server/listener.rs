//! Listening sockets.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps until they are accepted; it may cap it (somaxconn).
const BACKLOG: i32 = 4096;

/// An address that can't be listened on.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    cause: io::Error,
}

/// Listens on an address.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the old connections' TIME_WAIT.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|cause| BindError { address, cause })
}

// === impl BindError ===

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause } = self;
        write!(f, "cannot listen on {address}: {cause}; ")?;
        let kind = cause.kind();
        if kind == io::ErrorKind::AddrInUse {
            let port = address.port();
            return write!(f, "stop the program that uses port {port}, or choose another");
        }
        f.write_str(if kind == io::ErrorKind::PermissionDenied {
            "ports below 1024 need privileges: choose a higher one such as 8080"
        } else if kind == io::ErrorKind::AddrNotAvailable {
            "this machine has no such address: use 0.0.0.0 or [::] for all"
        } else {
            "check the address"
        })
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
