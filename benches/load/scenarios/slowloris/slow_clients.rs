//! Thousands of very slow clients: a third sends its head byte by byte, a third its body, and a third
//! reads a large response in small steps. A client whose connection is closed connects again.
//!
//! One thread with non-blocking sockets visits each of them once a second: thousands of
//! tasks would cost this machine CPU time that looks like the server's.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use crate::client;

/// Time between two visits to one client.
const PERIOD: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);
/// The Content-Length of a POST.
const UPLOAD: usize = 1 << 20;
/// The bytes that a reader reads at once.
const BITE: usize = 1 << 10;
/// A small window as over the internet; on loopback the kernel would take a large response at once.
const SEGMENT: u32 = 1_460;
const WINDOW: usize = 8 << 10;

/// The clients; dropping them ends them.
#[derive(Debug)]
pub(super) struct Swarm {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The counters of the clients.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Open at the moment.
    pub(super) open: AtomicU32,
    pub(super) opened: AtomicU32,
    /// Closed by the server, including a response during the request.
    pub(super) cut: AtomicU32,
    /// Readers that have received some bytes.
    pub(super) served: AtomicU32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Head,
    Body,
    Read,
}

struct Slow {
    habit: Habit,
    /// The bytes that it sends at once after connecting.
    opening: Arc<[u8]>,
    due: Instant,
    stream: Option<TcpStream>,
    /// Bytes sent of `opening`.
    sent: usize,
    served: bool,
}

// === impl Swarm ===

impl Swarm {
    /// Starts this number of clients, evenly over `arrival`; readers request `paths` in turn.
    pub(super) fn start(
        address: SocketAddr,
        count: u32,
        arrival: Duration,
        paths: &[String],
    ) -> io::Result<Self> {
        let head = client::request(address, "/", "X-Slow: ");
        // Without the empty line at its end.
        let head: Arc<[u8]> = head.strip_suffix(b"\r\n").unwrap_or(&head).into();
        let body: Arc<[u8]> = client::post_head(address, "/upload", UPLOAD).into();
        let reads: Vec<Arc<[u8]>> =
            paths.iter().map(|path| client::request(address, path, "").into()).collect();
        let mut paths = reads.iter().cycle();
        let began = Instant::now();
        let mut clients = Vec::new();
        for index in 0..count {
            let (habit, opening) = match index % 3 {
                0 => (Habit::Head, &head),
                1 => (Habit::Body, &body),
                _ => (Habit::Read, paths.next().unwrap_or(&head)),
            };
            let due = began + arrival * index / count;
            let opening = Arc::clone(opening);
            clients.push(Slow { habit, opening, due, stream: None, sent: 0, served: false });
        }
        let (counts, stop) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
        let (seen, stopped) = (Arc::clone(&counts), Arc::clone(&stop));
        let thread = thread::Builder::new().name("swarm".into()).spawn(move || {
            while !stopped.load(Relaxed) {
                let now = Instant::now();
                for client in clients.iter_mut().filter(|client| client.due <= now) {
                    client.visit(address, &seen);
                    client.due = now + PERIOD;
                }
                let open = clients.iter().filter(|client| client.stream.is_some()).count();
                seen.open.store(u32::try_from(open).unwrap_or(u32::MAX), Relaxed);
                sleep(TICK);
            }
        })?;
        Ok(Self { counts, stop, thread: Some(thread) })
    }

    /// The counters.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // The panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

// === impl Slow ===

impl Slow {
    /// Connects, or continues a little.
    fn visit(&mut self, address: SocketAddr, counts: &Counts) {
        let Some(stream) = &mut self.stream else {
            // Refused, or out of a resource: it tries again in a second.
            if let Ok(stream) = connect(address) {
                (self.stream, self.sent, self.served) = (Some(stream), 0, false);
                counts.opened.fetch_add(1, Relaxed);
            }
            return;
        };
        match go_on(stream, self.habit, &self.opening, &mut self.sent) {
            Ok(true) if !self.served => {
                self.served = true;
                counts.served.fetch_add(1, Relaxed);
            }
            Ok(_) => {}
            Err(error) if pending(&error) => {}
            Err(_) => {
                self.stream = None;
                counts.cut.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Returns whether a reader received bytes of a response; an error ends the client.
fn go_on(
    stream: &mut TcpStream,
    habit: Habit,
    opening: &[u8],
    sent: &mut usize,
) -> io::Result<bool> {
    if let Some(rest) = opening.get(*sent..).filter(|rest| !rest.is_empty()) {
        *sent += stream.write(rest)?;
        return Ok(false);
    }
    let mut bite = [0; BITE];
    if habit == Habit::Read {
        return match stream.read(&mut bite)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(true),
        };
    }
    match stream.read(&mut bite) {
        // Its request is never complete, so every response ends it.
        Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if pending(&error) => {}
        Err(error) => return Err(error),
    }
    stream.write_all(b"x")?;
    Ok(false)
}

/// Not yet connected, nothing to read, or no space to write.
fn pending(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_mss(SEGMENT)?;
    socket.set_recv_buffer_size(WINDOW)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}
