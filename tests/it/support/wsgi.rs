//! Real gunicorn and uWSGI with the project of tests/django.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream, unix::process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{TempDir, python::Django};

/// The ways in which people serve Django behind a proxy that speaks HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Closes every connection after its answer, and says so.
    GunicornSync,
    /// Keeps connections for two seconds.
    GunicornThreads,
    /// The same on a unix socket.
    GunicornUnix,
    /// `--http-socket`: closes every connection after its answer, and does not say so.
    UwsgiSocket,
    /// `--http`: uWSGI's own proxy before its workers, with kept connections, on a unix socket.
    UwsgiRouter,
}

/// A running server; it and its workers are killed when dropped.
#[derive(Debug)]
pub(crate) struct Wsgi {
    child: Child,
    url: String,
    socket: Socket,
    home: TempDir,
}

#[derive(Clone, Debug)]
enum Socket {
    Tcp(u16),
    Unix(PathBuf),
}

/// Python starts slowly on a busy machine.
const START: Duration = Duration::from_secs(60);

// === impl Wsgi ===

impl Wsgi {
    /// Starts it and waits until it answers.
    pub(crate) fn start(server: Server, django: &Django) -> Self {
        let home = django.home();
        let log = File::create(home.join("server.log")).unwrap();
        let path = home.join("app.sock");
        let (socket, stdin) = match server {
            Server::GunicornUnix | Server::UwsgiRouter => (Socket::Unix(path), Stdio::null()),
            Server::GunicornSync | Server::GunicornThreads | Server::UwsgiSocket => inherited(),
        };
        let bind = match &socket {
            Socket::Unix(path) if server == Server::GunicornUnix => {
                format!("unix:{}", path.display())
            }
            Socket::Unix(path) => path.display().to_string(),
            Socket::Tcp(_) => "fd://0".to_owned(),
        };
        let url = match &socket {
            Socket::Unix(path) => format!("http+unix:{}", path.display()),
            Socket::Tcp(port) => format!("http://127.0.0.1:{port}"),
        };
        let mut command = server.command(django, &home, &bind);
        command.stdin(stdin).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut wsgi = Self { child, url, socket, home };
        wsgi.until_it_answers(server);
        wsgi
    }

    /// As `upstream.url` wants it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// SITE_DATA of the project.
    pub(crate) fn home(&self) -> &TempDir {
        &self.home
    }

    fn until_it_answers(&mut self, server: Server) {
        let deadline = Instant::now() + START;
        while !self.answers() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{server:?} does not answer ({ended:?}); its log:\n{}",
                fs::read_to_string(self.home.join("server.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a request gets any answer that is HTTP.
    fn answers(&self) -> bool {
        let mut answer = [0; 9];
        let ask = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let limit = Some(Duration::from_secs(5));
        let asked = match &self.socket {
            Socket::Tcp(port) => {
                TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).and_then(|mut stream| {
                    stream.set_read_timeout(limit)?;
                    stream.write_all(ask)?;
                    stream.read_exact(&mut answer)
                })
            }
            Socket::Unix(path) => UnixStream::connect(path).and_then(|mut stream| {
                stream.set_read_timeout(limit)?;
                stream.write_all(ask)?;
                stream.read_exact(&mut answer)
            }),
        };
        asked.is_ok() && &answer == b"HTTP/1.1 "
    }
}

impl Drop for Wsgi {
    fn drop(&mut self) {
        // The workers are in the group that the server was made the leader of.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
            let skip = log.lines().count().saturating_sub(20);
            eprintln!("--- last lines of the server's log");
            log.lines().skip(skip).for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A listening socket handed over as stdin: a port that is known before the server starts, and
/// that nobody can take in between.
fn inherited() -> (Socket, Stdio) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (Socket::Tcp(port), Stdio::from(OwnedFd::from(listener)))
}

// === impl Server ===

impl Server {
    fn command(self, django: &Django, home: &TempDir, bind: &str) -> Command {
        let gunicorn = |arguments: &[&str]| {
            // `-m` because a long path to target/ would not fit into the script's first line.
            let mut command = django.command("python", home.path());
            command
                .args(["-m", "gunicorn", "--no-control-socket", "--bind", bind])
                .args(arguments)
                .arg("project.wsgi");
            command
        };
        let uwsgi = |arguments: &[&str]| {
            let mut command = django.command("uwsgi", home.path());
            command
                .args(arguments)
                .args(["--master", "--processes", "2", "--threads", "4", "--enable-threads"])
                .args(["--need-app", "--module", "project.wsgi", "--virtualenv"])
                .arg(&django.environment);
            command
        };
        match self {
            Self::GunicornSync => gunicorn(&["--workers", "4"]),
            Self::GunicornThreads | Self::GunicornUnix => {
                gunicorn(&["--worker-class", "gthread", "--workers", "2", "--threads", "4"])
            }
            Self::UwsgiSocket => uwsgi(&["--http-socket", bind]),
            Self::UwsgiRouter => {
                uwsgi(&["--http", bind, "--http-keepalive", "--http-auto-chunked"])
            }
        }
    }
}
