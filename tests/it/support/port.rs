//! A reserved port that refuses connections until the test lets it accept them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Bound, so that no other program gets the port; not listening, so that connections are refused.
#[derive(Debug)]
pub(crate) struct ReservedPort(Socket);

// === impl ReservedPort ===

impl ReservedPort {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Begins to accept connections.
    pub(crate) fn listen(self) -> TcpListener {
        self.0.listen(128).unwrap();
        self.0.into()
    }

    /// Begins to listen with the shortest queue and fills it, so that a further connection
    /// attempt gets no reply. Lasts as long as the returned value.
    pub(crate) fn fill_accept_queue(self) -> Vec<Socket> {
        let address = self.address();
        self.0.listen(0).unwrap();
        let mut sockets = vec![self.0];
        loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let patience = std::time::Duration::from_millis(200);
            let accepted = socket.connect_timeout(&address.into(), patience).is_ok();
            sockets.push(socket);
            if !accepted {
                return sockets;
            }
            assert!(sockets.len() < 64, "the queue never fills");
        }
    }
}
