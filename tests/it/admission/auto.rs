//! `upstream.max_in_flight = auto`, the default: the workers of the application are counted by the requests that they
//! have begun. If those cannot be seen, throughput decides.

use std::{
    io,
    net::TcpListener,
    os::unix::net::UnixListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::Workers;
use crate::support::{App, Client, Settings, Sideman, TempDir, eventually};

const LIMIT: &str = "sideman_limit";
const SOURCE: &str = "sideman_upstream_limit_source";
const IN_FORCE: &[(&str, &str)] = &[("setting", "upstream.max_in_flight")];
/// How long a worker works on a request.
const WORK: Duration = Duration::from_millis(30);
/// No load lasts as long.
const LONGEST_LOAD: Duration = Duration::from_secs(600);

/// Synchronous workers, as those of gunicorn: each accepts a connection when it is free, and closes it after the
/// response.
struct SyncWorkers {
    listener: Arc<Listener>,
    url: String,
    busy: Arc<AtomicUsize>,
    ends: Arc<AtomicBool>,
    _directory: TempDir,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

// === impl SyncWorkers ===

impl SyncWorkers {
    fn tcp(workers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::start(Listener::Tcp(listener), url, TempDir::new(), workers)
    }

    fn unix(workers: usize) -> Self {
        let directory = TempDir::new();
        let path = directory.join("app.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let url = format!("http+unix:{}", path.display());
        Self::start(Listener::Unix(listener), url, directory, workers)
    }

    fn start(listener: Listener, url: String, directory: TempDir, workers: usize) -> Self {
        let all = Self {
            listener: Arc::new(listener),
            url,
            busy: Arc::default(),
            ends: Arc::default(),
            _directory: directory,
        };
        (0..workers).for_each(|_| all.add_worker());
        all
    }

    fn add_worker(&self) {
        let (listener, busy) = (Arc::clone(&self.listener), Arc::clone(&self.busy));
        let ends = Arc::clone(&self.ends);
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                // A client that has disconnected is no reason to stop.
                let _ = match &*listener {
                    Listener::Tcp(tcp) => tcp.accept().and_then(|(peer, _)| respond(peer, &busy)),
                    Listener::Unix(unix) => {
                        unix.accept().and_then(|(peer, _)| respond(peer, &busy))
                    }
                };
            }
        });
    }
}

impl Drop for SyncWorkers {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// Reads one request without a body, works, and responds.
fn respond(mut peer: impl io::Read + io::Write, busy: &AtomicUsize) -> io::Result<()> {
    if read_head(&mut peer)? { work(peer, busy) } else { Ok(()) }
}

/// Returns whether there was a request.
fn read_head(peer: &mut impl io::Read) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        match peer.read(&mut buffer)? {
            0 => return Ok(false),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    Ok(true)
}

fn work(mut peer: impl io::Write, busy: &AtomicUsize) -> io::Result<()> {
    busy.fetch_add(1, Ordering::SeqCst);
    thread::sleep(WORK);
    busy.fetch_sub(1, Ordering::SeqCst);
    peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
}

/// Starts workers behind a thread that accepts every connection and reads its request at once, as waitress does.
/// Returns the address. They live as long as the process.
fn eager_workers(workers: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel::<std::net::TcpStream>();
    let requests = Arc::new(Mutex::new(requests));
    for _ in 0..workers {
        let requests = Arc::clone(&requests);
        thread::spawn(move || {
            let next = || requests.lock().unwrap().recv();
            while let Ok(peer) = next() {
                let _ = work(peer, &AtomicUsize::new(0));
            }
        });
    }
    thread::spawn(move || {
        for mut peer in listener.incoming().flatten() {
            if read_head(&mut peer).unwrap_or(false) && sender.send(peer).is_err() {
                return;
            }
        }
    });
    url
}

/// Sideman in front of workers that are never idle. The newest request goes first once the oldest has waited for
/// 250 ms, so that under such a load some wait for as long as it lasts.
pub(super) fn overloaded(upstream: &str) -> Settings {
    Settings::before(upstream).set("upstream.queue_timeout", "1h")
}

fn under_load(sideman: &Sideman, clients: usize, act: impl FnOnce()) {
    under_load_of(|| sideman.connect(), clients, act);
}

/// Sends requests on so many connections at a time while `act` runs. None of them may fail.
pub(super) fn under_load_of(
    connect: impl Fn() -> Client + Sync,
    clients: usize,
    act: impl FnOnce(),
) {
    /// Ends the clients, also when `act` panics.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = connect().with_timeout(LONGEST_LOAD);
                // Each request waits for a worker, so that the loop is paced by the application.
                while !ends.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
        let _end = End(&ends);
        act();
    });
}

#[test]
fn number_of_sync_workers_is_found() {
    for (workers, name) in [
        (SyncWorkers::tcp(1), "tcp, 1"),
        (SyncWorkers::tcp(3), "tcp, 3"),
        (SyncWorkers::unix(2), "unix, 2"),
        (SyncWorkers::unix(6), "unix, 6"),
    ] {
        let count: f64 = name.rsplit(' ').next().unwrap().parse().unwrap();
        let sideman = overloaded(&workers.url).start();
        under_load(&sideman, 16, || {
            eventually(&format!("a limit by unread requests: {name}"), || {
                (sideman.metric(LIMIT, IN_FORCE) == count
                    && sideman.metric(SOURCE, &[("source", "unread")]) == 1.0)
                    .then_some(())
            });
            eventually("unread requests, which are at most one", || {
                (sideman.metric("sideman_upstream_unread_requests", &[]) <= 1.0).then_some(())
            });
        });
    }
}

#[test]
fn another_worker_gets_work() {
    let workers = SyncWorkers::tcp(1);
    let sideman = overloaded(&workers.url).start();
    under_load(&sideman, 12, || {
        sideman.until_metric(LIMIT, IN_FORCE, 1.0);
        (0..4).for_each(|_| workers.add_worker());
        eventually("five busy workers", || {
            (workers.busy.load(Ordering::SeqCst) == 5).then_some(())
        });
        sideman.until_metric(LIMIT, IN_FORCE, 5.0);
    });
}

/// More requests than it has workers would only make its responses later.
#[test]
fn workers_that_read_eagerly_get_few_requests() {
    let sideman = overloaded(&eager_workers(3)).start();
    // The metrics have it a moment after the first listener.
    sideman.until_metric(SOURCE, &[("source", "unknown")], 1.0);
    under_load(&sideman, 40, || {
        sideman.event("cannot see which requests the application has begun");
        let mut since = Instant::now();
        eventually("a limit that stays low", || {
            // A trial of twice as many is short.
            if sideman.metric(LIMIT, IN_FORCE) > 12.0 {
                since = Instant::now();
            }
            (since.elapsed() > Duration::from_secs(3)).then_some(())
        });
    });
    assert_eq!(sideman.metric(SOURCE, &[("source", "throughput")]), 1.0);
}

/// Nothing shows how much such an application can do, so it gets as many requests as there may be. This is said once.
#[test]
fn application_that_reads_everything_gets_up_to_100_requests() {
    let workers = Workers::start();
    let sideman = Settings::before(&workers.app.url()).start();
    let clients: Vec<_> =
        (0..120).map(|number| super::ask(&sideman, &format!("/{number}"))).collect();
    sideman.until_metric(LIMIT, IN_FORCE, 100.0);
    sideman.until_metric("sideman_queue_length", &[], 20.0);
    assert_eq!(sideman.metric("sideman_upstream_in_flight", &[]), 100.0);
    sideman.event("cannot see which requests the application has begun");
    (0..120).for_each(|number| workers.finish(&format!("/{number}")));
    for mut client in clients {
        assert_eq!(client.response().status, 200);
    }
}

/// Such a request has begun, although nothing of it waits for a response any more.
#[test]
fn responses_on_their_way_do_not_stop_others() {
    let application = App::start(|request| match request.target() {
        "/long" => {
            let mut response = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
            response.resize(8 << 20, b'x');
            response
        }
        _ => App::reply(b"ok"),
    });
    let sideman = Settings::before(&application.url())
        .set("buffers.memory_per_body", "64KiB")
        .set("buffers.disk", "0B")
        .start();
    let _readers: Vec<_> = (0..10).map(|_| super::ask(&sideman, "/long")).collect();
    sideman.until_metric("sideman_upstream_in_flight", &[], 10.0);
    assert_eq!(sideman.get("/").text(), "ok");
}

#[test]
fn number_that_is_set_stays() {
    let workers = SyncWorkers::tcp(1);
    let sideman = overloaded(&workers.url).set("upstream.max_in_flight", "3").start();
    under_load(&sideman, 8, || {
        sideman.until_metric("sideman_upstream_in_flight", &[], 3.0);
        sideman.until_metric("sideman_queue_length", &[], 5.0);
    });
    assert_eq!(sideman.metric(LIMIT, IN_FORCE), 3.0);
    assert_eq!(sideman.metric(SOURCE, &[("source", "set")]), 1.0);
}
