//! Addresses of applications that a test starts and stops: they refuse connections meanwhile. Also the
//! protocols and kinds of socket of applications.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{TempDir, settings::Settings};

/// A protocol, and the kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) protocol: Protocol,
    pub(crate) is_unix: bool,
}

/// The protocols to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    /// Like uWSGI: a connection for each request.
    Uwsgi,
    /// Like gunicorn: connections are kept alive.
    GunicornUwsgi,
}

/// A port or a path that stays reserved. Without a listener, connections are refused.
#[derive(Debug)]
pub(crate) struct ReservedAddress {
    transport: Transport,
    address: SockAddr,
    /// Bound and never listening, so no other program gets the port.
    _reserved: Option<Socket>,
    directory: TempDir,
}

// === impl Transport ===

impl Transport {
    pub(crate) const ALL: [Self; 6] = {
        use Protocol::{GunicornUwsgi, Http, Uwsgi};
        [
            Self { protocol: Http, is_unix: false },
            Self { protocol: Http, is_unix: true },
            Self { protocol: Uwsgi, is_unix: false },
            Self { protocol: Uwsgi, is_unix: true },
            Self { protocol: GunicornUwsgi, is_unix: false },
            Self { protocol: GunicornUwsgi, is_unix: true },
        ]
    };

    /// The transports with keep-alive.
    pub(crate) fn with_keep_alive() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|transport| transport.keeps_connections())
    }

    pub(crate) fn keeps_connections(self) -> bool {
        self.protocol != Protocol::Uwsgi
    }

    pub(crate) fn speaks_uwsgi(self) -> bool {
        self.protocol != Protocol::Http
    }
}

// === impl ReservedAddress ===

impl ReservedAddress {
    pub(crate) fn new(transport: Transport) -> Self {
        let directory = TempDir::new();
        let (address, reserved) = if transport.is_unix {
            (SockAddr::unix(directory.join("app.sock")).unwrap(), None)
        } else {
            let socket = shared(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
            (socket.local_addr().unwrap(), Some(socket))
        };
        Self { transport, address, _reserved: reserved, directory }
    }

    /// Begins to accept connections, until the returned value is dropped.
    pub(crate) fn listen(&self) -> Socket {
        let socket = if self.transport.is_unix {
            // The socket file of an earlier listener.
            let _ = std::fs::remove_file(self.directory.join("app.sock"));
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.bind(&self.address).unwrap();
            socket
        } else {
            shared(&self.address)
        };
        socket.listen(128).unwrap();
        socket
    }

    /// One connection to the listener.
    pub(crate) fn connect(&self) -> std::io::Result<Socket> {
        let socket = Socket::new(self.address.domain(), Type::STREAM, None)?;
        socket.connect(&self.address).map(|()| socket)
    }

    /// The path of a unix socket.
    pub(crate) fn path(&self) -> Option<std::path::PathBuf> {
        self.transport.is_unix.then(|| self.directory.join("app.sock"))
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// The value of `upstream.url`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.transport.speaks_uwsgi() { "uwsgi" } else { "http" };
        match self.address.as_socket() {
            Some(address) => format!("{scheme}://{address}"),
            None => format!("{scheme}+unix:{}", self.directory.join("app.sock").display()),
        }
    }

    /// Sideman in front of it, with one worker: one pool has every connection.
    pub(crate) fn settings(&self) -> Settings {
        let settings = Settings::before(&self.url()).set("server.workers", "1");
        match self.transport.protocol {
            Protocol::Http => settings,
            Protocol::Uwsgi => settings.set("upstream.uwsgi_flavour", "uwsgi"),
            Protocol::GunicornUwsgi => settings.set("upstream.uwsgi_flavour", "gunicorn"),
        }
    }
}

/// A socket on a port that other processes of the same user may share.
fn shared(address: &SockAddr) -> Socket {
    let socket = Socket::new(address.domain(), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(address).unwrap();
    socket
}
