//! Thousands of clients that are as slow as they can be: a third sends its head byte by byte, a
//! third its body, and a third takes a large answer in small bites. A client whose connection is closed connects again.
//!
//! One thread with sockets that never block visits each of them once a second: what thousands of
//! tasks would cost this machine must not look like what they cost the server.

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

/// Between two visits to one client.
const PERIOD: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);
/// A POST says that so much is to come.
const UPLOAD: usize = 1 << 20;
/// What a reader takes at once.
const BITE: usize = 1 << 10;
/// As over the internet; on loopback the kernel would take a large answer at once.
const SEGMENT: u32 = 1_460;
const WINDOW: usize = 8 << 10;

/// The clients; dropping them ends them.
#[derive(Debug)]
pub(super) struct Swarm {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How they fare.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Now.
    pub(super) open: AtomicU32,
    pub(super) opened: AtomicU32,
    /// By the server, or answered amid their request.
    pub(super) cut: AtomicU32,
    /// Readers that have got something.
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
    /// What it sends at once when it is connected.
    opening: Arc<[u8]>,
    due: Instant,
    stream: Option<TcpStream>,
    /// Of the opening.
    sent: usize,
    served: bool,
}

// === impl Swarm ===

impl Swarm {
    /// Sends so many, evenly over `arrival`; readers ask for `paths` in turn.
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

    /// How they fare.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic has been printed where it happened.
            let _ = thread.join();
        }
    }
}

// === impl Slow ===

impl Slow {
    /// Connects, or goes on a little.
    fn visit(&mut self, address: SocketAddr, counts: &Counts) {
        let Some(stream) = &mut self.stream else {
            // Refused or out of something: it comes again in a second.
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

/// Returns whether a piece of an answer came to a reader; what ends the client is an error.
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
        // Its request is never complete: every answer is the end of it.
        Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if pending(&error) => {}
        Err(error) => return Err(error),
    }
    stream.write_all(b"x")?;
    Ok(false)
}

/// Not yet connected, or nothing to take, or no room.
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
