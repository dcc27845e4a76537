//! Addresses at which nobody listens until the test wants it, and again whenever it wants it: and the
//! ways in which an application there is spoken to.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{TempDir, settings::Settings};

/// A protocol, and the kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) protocol: Protocol,
    pub(crate) is_unix: bool,
}

/// The protocols to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    /// As uWSGI speaks it: a connection for each request.
    Uwsgi,
    /// As gunicorn speaks it: connections are kept.
    GunicornUwsgi,
}

/// A port or a path that stays reserved. Without a listener, connections are refused.
#[derive(Debug)]
pub(crate) struct ReservedAddress {
    way: Way,
    address: SockAddr,
    /// Bound and never listening: nobody else gets the port.
    _reserved: Option<Socket>,
    directory: TempDir,
}

// === impl Way ===

impl Way {
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

    /// The ways that keep connections for more than one request.
    pub(crate) fn keeping() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|way| way.keeps_connections())
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
    pub(crate) fn new(way: Way) -> Self {
        let directory = TempDir::new();
        let (address, reserved) = if way.is_unix {
            (SockAddr::unix(directory.join("app.sock")).unwrap(), None)
        } else {
            let socket = shared(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
            (socket.local_addr().unwrap(), Some(socket))
        };
        Self { way, address, _reserved: reserved, directory }
    }

    /// Begins to accept connections; ends with what is given back.
    pub(crate) fn listen(&self) -> Socket {
        let socket = if self.way.is_unix {
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

    /// One connection to whoever listens.
    pub(crate) fn connect(&self) -> std::io::Result<Socket> {
        let socket = Socket::new(self.address.domain(), Type::STREAM, None)?;
        socket.connect(&self.address).map(|()| socket)
    }

    /// The path of a unix socket.
    pub(crate) fn path(&self) -> Option<std::path::PathBuf> {
        self.way.is_unix.then(|| self.directory.join("app.sock"))
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// The value of `upstream.url`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.way.speaks_uwsgi() { "uwsgi" } else { "http" };
        match self.address.as_socket() {
            Some(address) => format!("{scheme}://{address}"),
            None => format!("{scheme}+unix:{}", self.directory.join("app.sock").display()),
        }
    }

    /// Sideman in front of it, with one worker: one pool has every connection.
    pub(crate) fn settings(&self) -> Settings {
        let settings = Settings::before(&self.url()).set("server.workers", "1");
        match self.way.protocol {
            Protocol::Http => settings,
            Protocol::Uwsgi => settings.set("upstream.uwsgi_flavour", "uwsgi"),
            Protocol::GunicornUwsgi => settings.set("upstream.uwsgi_flavour", "gunicorn"),
        }
    }
}

/// A socket on a port that others of the same user may have as well.
fn shared(address: &SockAddr) -> Socket {
    let socket = Socket::new(address.domain(), Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(address).unwrap();
    socket
}
