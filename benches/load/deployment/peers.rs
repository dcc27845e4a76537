//! Scripted peers: servers that respond, delay, truncate or close as a check wants it.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use socket2::{Domain, Socket, Type};

/// What a peer does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Before anything is written.
    pub(crate) delay: Duration,
    /// Written one after the other.
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) closes: bool,
}

/// From the head of a request, and its number at this peer.
pub(crate) type Script = fn(&str, u64) -> Reply;

/// A listening peer. Its threads end with the process.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

/// A port that refuses connections for as long as this lives: bound, and not listening.
#[derive(Debug)]
pub(crate) struct ClosedPort {
    _socket: Socket,
    pub(crate) address: SocketAddr,
}

// === impl Reply ===

impl Reply {
    /// These bytes; the connection stays open.
    pub(crate) fn text(bytes: &str) -> Self {
        Self { delay: Duration::ZERO, pieces: vec![bytes.into()], closes: false }
    }

    /// 200 with this body.
    pub(crate) fn ok(body: &str) -> Self {
        Self::text(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// The same, and the end of the connection.
    pub(crate) fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    /// The same, a while later.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

// === impl Peer ===

impl Peer {
    /// Listens on a free port.
    pub(crate) fn start(script: Script) -> io::Result<Self> {
        Self::start_with(script, None)
    }

    /// The same over TLS; returns the certificate in PEM too.
    pub(crate) fn start_tls(script: Script) -> io::Result<(Self, String)> {
        let key = rcgen::KeyPair::generate().map_err(io::Error::other)?;
        let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .and_then(|parameters| parameters.self_signed(&key))
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let chain = vec![certificate.der().clone()];
                builder.with_no_client_auth().with_single_cert(chain, key)
            })
            .map_err(io::Error::other)?;
        Ok((Self::start_with(script, Some(Arc::new(config)))?, certificate.pem()))
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    fn start_with(script: Script, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        let connections = Arc::new(AtomicU64::new(0));
        let peer = Self {
            address,
            requests: Arc::clone(&requests),
            connections: Arc::clone(&connections),
        };
        thread::Builder::new().name("peer".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                let (tls, requests) = (tls.clone(), Arc::clone(&requests));
                // A client that closes its connection ends the script: that is no error.
                thread::spawn(move || connection(stream, tls, script, &requests).is_ok());
            }
        })?;
        Ok(peer)
    }
}

// === impl ClosedPort ===

impl ClosedPort {
    /// Takes a port.
    pub(crate) fn take() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("not an address of TCP"))?;
        Ok(Self { _socket: socket, address })
    }
}

fn connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    script: Script,
    requests: &AtomicU64,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match tls {
        None => serve(stream, script, requests),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            serve(StreamOwned::new(connection, stream), script, requests)
        }
    }
}

fn serve(mut stream: impl Read + Write, script: Script, requests: &AtomicU64) -> io::Result<()> {
    loop {
        let Some(head) = head(&mut stream)? else { return Ok(()) };
        let reply = script(&head, requests.fetch_add(1, Ordering::Relaxed));
        thread::sleep(reply.delay);
        for piece in &reply.pieces {
            stream.write_all(piece)?;
            stream.flush()?;
        }
        if reply.closes {
            return Ok(());
        }
    }
}

/// The head of the next request; `None` at the end of the connection.
fn head(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
