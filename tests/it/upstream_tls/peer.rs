//! A TLS server that does what a test says, on each connection.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

const TIME_LIMIT: Duration = Duration::from_secs(20);

/// A listener whose connections a function serves, each on a thread. The threads end with their connections.
pub(crate) struct TlsPeer {
    port: u16,
    accepted: Arc<AtomicUsize>,
}

/// One connection of a client.
pub(crate) struct Served {
    stream: StreamOwned<ServerConnection, TcpStream>,
}

// === impl TlsPeer ===

impl TlsPeer {
    pub(crate) fn start(
        config: Arc<ServerConfig>,
        serve: impl Fn(&mut Served) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::bare(move |tcp| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            serve(&mut Served { stream: StreamOwned::new(connection, tcp) })
        })
    }

    /// One that may do without TLS.
    pub(crate) fn bare(
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (accepted, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
        let count = Arc::clone(&accepted);
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(tcp) = tcp else { return };
                count.fetch_add(1, Ordering::SeqCst);
                tcp.set_read_timeout(Some(TIME_LIMIT)).unwrap();
                tcp.set_write_timeout(Some(TIME_LIMIT)).unwrap();
                let serve = Arc::clone(&serve);
                // What fails here shows at the client.
                thread::spawn(move || drop(serve(tcp)));
            }
        });
        Self { port, accepted }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }

    /// The connections so far, probes included.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

// === impl Served ===

impl Served {
    /// Reads the head of a request; an error at the end.
    pub(crate) fn head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        Ok(String::from_utf8(head).unwrap())
    }

    /// Reads a body of this length.
    pub(crate) fn body(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// A response that keeps the connection.
    pub(crate) fn respond(&mut self, body: &[u8]) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat())
    }

    /// Closes the connection as TLS wants it.
    pub(crate) fn close_with_notify(&mut self) -> io::Result<()> {
        self.stream.conn.send_close_notify();
        self.stream.flush()?;
        self.stream.sock.shutdown(Shutdown::Both)
    }

    /// Reads what still comes after a fault: closing the connection before would lose the alert that was sent.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        self.stream.sock.shutdown(Shutdown::Write)?;
        io::copy(&mut self.stream.sock, &mut io::sink()).map(drop)
    }

    /// Closes the connection as if somebody had cut it.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        self.stream.sock.shutdown(Shutdown::Both)
    }

    /// Waits for the client's end. An error if it comes without `close_notify`.
    pub(crate) fn until_closed(&mut self) -> io::Result<()> {
        match self.stream.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The name that the client has asked for.
    pub(crate) fn server_name(&self) -> Option<String> {
        self.stream.conn.server_name().map(str::to_owned)
    }

    /// The protocol of ALPN.
    pub(crate) fn protocol(&self) -> Option<Vec<u8>> {
        self.stream.conn.alpn_protocol().map(<[u8]>::to_vec)
    }
}
