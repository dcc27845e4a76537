//! A server under test: started, awaited, counted, ended. `sideman`, `nginx` and
//! `haproxy` make the commands.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread::sleep,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    haproxy, nginx,
    proc::Tree,
    setup::{self, Setup},
    sideman, varnish,
};

const START: Duration = Duration::from_secs(10);
/// With a launcher, which may slow it down fifty times.
const LAUNCHED_START: Duration = Duration::from_secs(90);
const STOP: Duration = Duration::from_secs(10);
const LAUNCHED_STOP: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Another program may take the free port between the check and the server's start.
const ATTEMPTS: u32 = 3;

/// The servers this load test knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Sideman,
    /// With sendfile, as it is usually deployed; best for large files
    Nginx,
    /// With `sendfile off`: best for small files
    NginxCopy,
    /// With `aio threads` besides sendfile: best where files come from the disk
    NginxThreads,
    /// With a queue in which requests wait up to 10 s; for scenarios alone
    Haproxy,
    /// With a queue in which they wait 1.5 s; for scenarios alone
    HaproxyShort,
    /// For the rows of the cache alone
    Varnish,
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The TLS port; nothing listens there if the setup has no TLS.
    pub(crate) tls: SocketAddr,
    /// Sideman's metrics.
    pub(crate) admin: SocketAddr,
    kind: Kind,
    child: Child,
    directory: PathBuf,
    /// Time limit for its shutdown.
    stop: Duration,
}

// === impl Kind ===

impl Kind {
    /// Whether it only has a queue in front of the application.
    pub(crate) fn for_scenarios(self) -> bool {
        matches!(self, Self::Haproxy | Self::HaproxyShort)
    }

    /// The version of the installed program, as the program prints it.
    pub(crate) fn version(self) -> io::Result<String> {
        match self {
            Self::Sideman => sideman::version(),
            Self::Nginx | Self::NginxCopy | Self::NginxThreads => nginx::version(),
            Self::Haproxy | Self::HaproxyShort => haproxy::version(),
            Self::Varnish => varnish::version(),
        }
    }

    fn command(self, setup: &Setup<'_>) -> io::Result<Command> {
        match self {
            Self::Sideman => sideman::command(setup),
            Self::Nginx => nginx::command(setup, "sendfile on; tcp_nopush on;"),
            Self::NginxCopy => nginx::command(setup, "sendfile off;"),
            Self::NginxThreads => nginx::command(setup, "sendfile on; tcp_nopush on; aio threads;"),
            Self::Haproxy => haproxy::command(setup, "10s"),
            Self::HaproxyShort => haproxy::command(setup, "1500ms"),
            Self::Varnish => varnish::command(setup),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sideman => "sideman",
            Self::Nginx => "nginx",
            Self::NginxCopy => "nginx-copy",
            Self::NginxThreads => "nginx-threads",
            Self::Haproxy => "haproxy",
            Self::HaproxyShort => "haproxy-short",
            Self::Varnish => "varnish",
        })
    }
}

// === impl Server ===

impl Server {
    /// Starts a server on a free port and waits until its health check answers 200.
    pub(crate) fn start(kind: Kind, setup: &Setup<'_>) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            // Bound together, so that the three differ.
            let bind = || TcpListener::bind(anywhere());
            let sockets = [bind()?, bind()?, bind()?];
            let [listen, tls, admin] =
                [sockets[0].local_addr()?, sockets[1].local_addr()?, sockets[2].local_addr()?];
            drop(sockets);
            let tls = setup.tls.map(|(_, certificate)| (tls, certificate));
            match Self::start_at(kind, &Setup { listen, tls, admin, ..*setup }) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The server's processes.
    pub(crate) fn tree(&self) -> io::Result<Tree> {
        Tree::of(self.child.id())
    }

    /// Whether its access log has a line for each request.
    pub(crate) fn writes_log(&self) -> bool {
        self.kind != Kind::Varnish
    }

    /// The id of the process that was started.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// SIGHUP.
    pub(crate) fn reload(&self) -> io::Result<()> {
        signal(self.child.id(), Signal::HUP)
    }

    /// Ends the server in an orderly way and counts the lines of its access log.
    pub(crate) fn stop(mut self) -> io::Result<u64> {
        let status = self.terminate()?;
        if !status.success() {
            return Err(io::Error::other(format!("the server ended with {status}{}", self.said())));
        }
        lines(&setup::access_log(&self.directory))
    }

    /// Ends the server, which must still run; its exit status is ignored.
    pub(crate) fn end(mut self) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let what = format!("the server ended during the run, with {status}{}", self.said());
            return Err(io::Error::other(what));
        }
        self.terminate()?;
        Ok(())
    }

    fn start_at(kind: Kind, setup: &Setup<'_>) -> io::Result<Self> {
        let child = kind.command(setup)?.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {kind}: {error}"))
        })?;
        let (start, stop) = match setup.launcher {
            [] => (START, STOP),
            _ => (LAUNCHED_START, LAUNCHED_STOP),
        };
        let mut server = Self {
            address: setup.listen,
            tls: setup.tls.map_or(setup.listen, |(tls, _)| tls),
            admin: setup.admin,
            kind,
            child,
            directory: setup.directory.to_owned(),
            stop,
        };
        let deadline = Instant::now() + start;
        loop {
            // First the process, then the port: a response from another program on this port does not count.
            if let Some(status) = server.child.try_wait()? {
                let said = server.said();
                let taken = said.to_ascii_lowercase().contains("address already in use");
                let kind_of =
                    if taken { io::ErrorKind::AddrInUse } else { io::ErrorKind::BrokenPipe };
                let what = format!("{kind} ended with {status} before it was ready{said}");
                return Err(io::Error::new(kind_of, what));
            }
            if healthy(server.address) {
                return Ok(server);
            }
            if Instant::now() > deadline {
                let what = format!("{kind} was not ready after {start:?}{}", server.said());
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            sleep(POLL);
        }
    }

    /// SIGTERM, and SIGKILL for the whole tree when that is not enough.
    fn terminate(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let tree = self.tree()?;
        signal(self.child.id(), Signal::TERM)?;
        let deadline = Instant::now() + self.stop;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(POLL);
        }
        for process in tree.processes() {
            // Processes that have ended need no signal.
            let _ = signal(*process, Signal::KILL);
        }
        self.child.wait()
    }

    /// The end of what the server wrote to its error log, for an error message.
    fn said(&self) -> String {
        let text = fs::read(setup::error_log(&self.directory)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let last: Vec<_> = text.lines().rev().take(5).collect();
        last.into_iter().rev().fold(String::new(), |all, line| all + "\n  | " + line)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.terminate() {
            eprintln!("load: process {} may still run: {error}", self.child.id());
        }
        // Logs are large, and the next server starts with empty ones.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Replaced by a free port.
pub(crate) fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn healthy(address: SocketAddr) -> bool {
    let ask = || -> io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&address, START)?;
        stream.set_read_timeout(Some(START))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| &start == b"HTTP/1.1 200")
}

fn signal(process: u32, signal: Signal) -> io::Result<()> {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| io::Error::other("not a process id"))?;
    Ok(kill_process(process, signal)?)
}

fn lines(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 20];
    let mut count = 0;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(count),
            size => {
                let piece = piece.get(..size).unwrap_or_default();
                count += memchr::memchr_iter(b'\n', piece).count() as u64;
            }
        }
    }
}
