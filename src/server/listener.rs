//! Listening sockets: TCP addresses and sockets in the file system.

use std::{
    fmt, fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt as _, PermissionsExt as _},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{proxy_protocol::ProxyProtocol, tls::TlsContext};
use crate::{body::FileIdentity, plan::ListenAddress};

/// The accept queue of the kernel, in connections. The kernel may cap it (somaxconn).
const BACKLOG: i32 = 4096;
/// A socket's file can be used by the user and the group that Sideman runs as.
const SOCKET_MODE: u32 = 0o660;

/// A listening socket. Dropping it closes the socket and removes its file.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    /// The address as written in the settings.
    listen_address: ListenAddress,
    local: ListenAddress,
    mode: ListenerMode,
    file: Option<SocketFile>,
}

/// What a connection to a listener begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerMode {
    /// A TLS handshake.
    pub is_tls: bool,
    /// A header of the PROXY protocol, before the handshake if there is one.
    pub has_proxy_header: bool,
}

/// The settings that all listeners share.
#[derive(Clone, Debug)]
pub struct ListenerShared {
    /// `None` if no listener speaks TLS.
    pub tls: Option<Arc<TlsContext>>,
    /// `None` if no listener uses the PROXY protocol.
    pub proxy_protocol: Option<Arc<ProxyProtocol>>,
}

/// A listen address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    listen_address: ListenAddress,
    cause: io::Error,
}

/// A socket's name in the file system. Removed on drop, unless another socket has replaced it by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: FileIdentity,
}

/// Listens on a TCP address.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the TIME_WAIT of old connections.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    listen().map_err(|cause| BindError { listen_address: ListenAddress::Tcp(address), cause })
}

/// Uses a socket that listens on this TCP address already.
pub fn adopt(socket: OwnedFd, address: SocketAddr) -> Result<TcpListener, BindError> {
    let listener = TcpListener::from(socket);
    let failed = |cause| BindError { listen_address: ListenAddress::Tcp(address), cause };
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

// === impl Listener ===

impl Listener {
    /// Uses a socket that listens on this address already. The file of a Unix socket stays: it belongs to whoever
    /// opened the socket.
    pub fn adopt(
        socket: OwnedFd,
        listen_address: &ListenAddress,
        mode: ListenerMode,
    ) -> Result<Self, BindError> {
        let failed = |cause| BindError { listen_address: listen_address.clone(), cause };
        rustix::io::ioctl_fionbio(&socket, true).map_err(|errno| failed(errno.into()))?;
        let (listen_address, local) = (listen_address.clone(), listen_address.clone());
        Ok(Self { socket, listen_address, local, mode, file: None })
    }

    /// Listens for clients.
    pub fn bind(listen_address: &ListenAddress, mode: ListenerMode) -> Result<Self, BindError> {
        let failed = |cause| BindError { listen_address: listen_address.clone(), cause };
        match listen_address {
            ListenAddress::Tcp(address) => {
                let socket = bind(*address)?;
                let local = ListenAddress::Tcp(socket.local_addr().map_err(failed)?);
                let listen_address = listen_address.clone();
                Ok(Self { socket: socket.into(), listen_address, local, mode, file: None })
            }
            ListenAddress::Unix(path) => {
                let (socket, file) = bind_file(path).map_err(failed)?;
                let (listen_address, local) = (listen_address.clone(), listen_address.clone());
                Ok(Self { socket, listen_address, local, mode, file: Some(file) })
            }
        }
    }

    /// The address as written in the settings.
    pub fn listen_address(&self) -> &ListenAddress {
        &self.listen_address
    }

    /// The address it listens on, with the port that the system chose.
    pub fn local(&self) -> &ListenAddress {
        &self.local
    }

    /// What connections begin with.
    pub fn mode(&self) -> ListenerMode {
        self.mode
    }

    /// Sets what connections that are accepted from now on begin with.
    pub(super) fn set_mode(&mut self, mode: ListenerMode) {
        self.mode = mode;
    }

    /// Removes the socket's name, so that no client can connect any more. Clients that are already connected can still
    /// be accepted.
    pub(super) fn withdraw(&mut self) {
        self.file = None;
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

// === impl ListenerShared ===

impl ListenerShared {
    /// Returns the settings for a connection to a listener of this mode.
    pub(super) fn of(&self, mode: ListenerMode) -> Self {
        Self {
            tls: self.tls.as_ref().filter(|_| mode.is_tls).cloned(),
            proxy_protocol: self.proxy_protocol.as_ref().filter(|_| mode.has_proxy_header).cloned(),
        }
    }
}

fn bind_file(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_stale(path)?;
        socket.bind(&address)?;
    }
    let identity = FileIdentity::of(&fs::symlink_metadata(path)?);
    let file = SocketFile { path: path.to_owned(), identity };
    // Nobody can connect before `listen`, so the mode does not matter until then.
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), file))
}

/// Removes the socket that an ended process left behind, and nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "the path is a file, but not a socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        // A server accepts connections there, or is too busy to.
        Ok(_) | Err(_) => Err(ErrorKind::AddrInUse.into()),
    }
}

// === impl SocketFile ===

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| FileIdentity::of(&found) == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket file");
        }
    }
}

// === impl BindError ===

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen_address, cause } = self;
        write!(f, "cannot listen on {listen_address}: {cause}; ")?;
        let kind = cause.kind();
        match listen_address {
            ListenAddress::Tcp(address) if kind == ErrorKind::AddrInUse => {
                let port = address.port();
                write!(f, "stop the program that uses port {port}, or choose another")
            }
            ListenAddress::Tcp(_) => f.write_str(if kind == ErrorKind::PermissionDenied {
                "ports below 1024 need privileges: choose a higher one such as 8080"
            } else if kind == ErrorKind::AddrNotAvailable {
                "this machine has no such address: use 0.0.0.0 or [::] for all"
            } else {
                "check the address"
            }),
            ListenAddress::Unix(_) => f.write_str(if kind == ErrorKind::AddrInUse {
                "stop the program that listens there, or choose another path"
            } else if kind == ErrorKind::AlreadyExists {
                "remove it, or choose another path"
            } else if kind == ErrorKind::NotFound {
                "create its directory first"
            } else if kind == ErrorKind::PermissionDenied {
                "give this process write permission for its directory"
            } else {
                "check the path"
            }),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct SocketDirectory(PathBuf);

    impl Drop for SocketDirectory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn directory() -> SocketDirectory {
        let name = format!("sideman-sock-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        SocketDirectory(path)
    }

    fn is_there(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let directory = directory();
        let path = directory.0.join("a.sock");
        let mut listener =
            Listener::bind(&ListenAddress::Unix(path.clone()), ListenerMode::default()).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);
        UnixStream::connect(&path).unwrap();
        listener.withdraw();
        assert!(!is_there(&path));
        let other =
            Listener::bind(&ListenAddress::Unix(path.clone()), ListenerMode::default()).unwrap();
        // A socket that another process has created is not removed.
        drop(listener);
        assert!(is_there(&path));
        drop(other);
        assert!(!is_there(&path));
    }

    #[test]
    fn only_a_socket_that_nobody_listens_at_is_replaced() {
        let directory = directory();
        let path = directory.0.join("a.sock");
        let listen_address = ListenAddress::Unix(path.clone());
        let bind = || {
            Listener::bind(&listen_address, ListenerMode::default())
                .map_err(|error| error.to_string())
        };
        let first = bind().unwrap();
        let fault = bind().unwrap_err();
        assert!(fault.contains("stop the program that listens there"), "{fault}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(first);

        // A stale socket: closed without its name being removed.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(is_there(&path));
        drop(bind().unwrap());

        fs::write(&path, "precious").unwrap();
        let fault = bind().unwrap_err();
        assert!(fault.contains("not a socket; remove it"), "{fault}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = ListenAddress::Unix(directory.0.join("none/a.sock"));
        let fault = Listener::bind(&nowhere, ListenerMode::default()).unwrap_err().to_string();
        assert!(fault.contains("create its directory first"), "{fault}");
    }
}
