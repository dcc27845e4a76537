//! An application with the uwsgi protocol: it reads packets independently of Sideman's code, and responds with the
//! result of a function.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{TempDir, wait::TIME_LIMIT};

/// A received request. Each byte is kept as the `char` with the same number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packet {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Listens on its own port or unix socket.
#[derive(Debug)]
pub(crate) struct UwsgiApp {
    place: SocketLocation,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    _directory: TempDir,
}

/// What happens to a connection after its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Like uWSGI.
    Close,
    /// Like gunicorn.
    Keep,
    /// Responds before the body is read, and never reads it.
    CloseUnread,
}

#[derive(Clone, Debug)]
enum SocketLocation {
    Port(u16),
    Path(PathBuf),
}

#[derive(Debug, Default)]
struct Shared {
    /// Connections that carried a packet; probes don't count.
    connections: AtomicUsize,
    ends: AtomicBool,
}

// === impl Packet ===

impl Packet {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.variables.get(key).map(String::as_str)
    }

    /// Reads one packet without its body; `None` if the connection ends before.
    fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = [0; 4];
        if stream.read(&mut header[..1])? == 0 {
            return Ok(None);
        }
        if header[0] == b'H' {
            // A protocol probe over HTTP, after no valid response.
            return Ok(None);
        }
        stream.read_exact(&mut header[1..])?;
        let [modifier1, low, high, modifier2] = header;
        assert_eq!((modifier1, modifier2), (0, 0), "modifiers");
        let mut block = vec![0; usize::from(u16::from_le_bytes([low, high]))];
        stream.read_exact(&mut block)?;
        Ok(Some(Self { variables: variables(&block), body: Vec::new() }))
    }

    fn read_body(&mut self, stream: &mut impl Read) -> io::Result<()> {
        let length = self.get("CONTENT_LENGTH").unwrap_or_default().parse().unwrap_or(0);
        self.body.resize(length, 0);
        stream.read_exact(&mut self.body)
    }
}

/// Reads the block of variables of a packet.
pub(super) fn variables(mut block: &[u8]) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    while !block.is_empty() {
        let key = text(&mut block);
        let value = text(&mut block);
        assert!(!key.is_empty(), "an empty key before {value:?}");
        let earlier = variables.insert(key.clone(), value);
        assert!(earlier.is_none(), "{key} comes twice");
    }
    variables
}

fn text(block: &mut &[u8]) -> String {
    let (length, rest) = block.split_first_chunk().expect("a length");
    let (text, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)));
    *block = rest;
    text.iter().map(|&byte| char::from(byte)).collect()
}

// === impl UwsgiApp ===

impl UwsgiApp {
    /// On its own port. The function returns the bytes of a whole response.
    pub(crate) fn tcp(
        after: After,
        response: impl Fn(&Packet) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let place = SocketLocation::Port(listener.local_addr().unwrap().port());
        Self::start(place, TempDir::new(), after, response, move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(TIME_LIMIT)).unwrap();
            stream
        })
    }

    /// Like `tcp`, on a unix socket.
    pub(crate) fn unix(
        after: After,
        response: impl Fn(&Packet) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let directory = TempDir::new();
        let path = directory.join("app.sock");
        let listener = UnixListener::bind(&path).unwrap();
        Self::start(SocketLocation::Path(path), directory, after, response, move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(TIME_LIMIT)).unwrap();
            stream
        })
    }

    pub(crate) fn url(&self) -> String {
        match &self.place {
            SocketLocation::Port(port) => format!("uwsgi://127.0.0.1:{port}"),
            SocketLocation::Path(path) => format!("uwsgi+unix:{}", path.display()),
        }
    }

    /// The number of connections that have carried a packet.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    fn start<S: Read + Write + Send + 'static>(
        place: SocketLocation,
        directory: TempDir,
        after: After,
        response: impl Fn(&Packet) -> Vec<u8> + Send + Sync + 'static,
        accept: impl Fn() -> S + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let (for_acceptor, response) = (Arc::clone(&shared), Arc::new(response));
        let acceptor = thread::spawn(move || {
            loop {
                let stream = accept();
                if for_acceptor.ends.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, response) = (Arc::clone(&for_acceptor), Arc::clone(&response));
                thread::spawn(move || serve(stream, &shared, after, &*response));
            }
        });
        Self { place, shared, acceptor: Some(acceptor), _directory: directory }
    }
}

impl Drop for UwsgiApp {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        match &self.place {
            SocketLocation::Port(port) => drop(TcpStream::connect((Ipv4Addr::LOCALHOST, *port))),
            SocketLocation::Path(path) => drop(UnixStream::connect(path)),
        }
        if let Some(acceptor) = self.acceptor.take() {
            // A panic was printed when it happened.
            let _ = acceptor.join();
        }
    }
}

/// Responds on one connection. The program under test may disconnect at any time: that is not a failure of
/// the application.
fn serve(
    mut stream: impl Read + Write,
    shared: &Shared,
    after: After,
    response: &(impl Fn(&Packet) -> Vec<u8> + ?Sized),
) {
    let mut is_new = true;
    while let Ok(Some(mut packet)) = Packet::read(&mut stream) {
        shared.connections.fetch_add(usize::from(is_new), Ordering::Relaxed);
        is_new = false;
        if after != After::CloseUnread && packet.read_body(&mut stream).is_err() {
            return;
        }
        if stream.write_all(&response(&packet)).is_err() || after != After::Keep {
            return;
        }
    }
}
