//! Real gunicorn, uWSGI and uvicorn with the project of tests/django.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{
    TempDir,
    python::Django,
    reserved_address::{Protocol, ReservedAddress, Transport},
    settings::Settings,
};

/// Common servers of Django behind a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Closes every connection after its response, and announces it.
    GunicornSync,
    /// Keeps connections for two seconds.
    GunicornThreads,
    /// `GunicornThreads` on a unix socket.
    GunicornUnix,
    /// `--http-socket`: closes every connection after its response, and does not announce it.
    UwsgiSocket,
    /// `--http`: uWSGI's own proxy before its workers, with keep-alive, on a unix socket.
    UwsgiRouter,
    /// `--uwsgi-socket`: the uwsgi protocol.
    UwsgiPackets,
    /// The same on a unix socket.
    UwsgiPacketsUnix,
    /// gunicorn with `--protocol uwsgi`, which keeps connections.
    GunicornPackets,
    /// The same on a unix socket.
    GunicornPacketsUnix,
    /// gunicorn with uvicorn's worker: ASGI.
    GunicornAsgi,
    /// uvicorn alone, on a unix socket.
    UvicornUnix,
}

/// A running server; it and its workers are killed when dropped.
#[derive(Debug)]
pub(crate) struct Wsgi {
    child: Child,
    server: Server,
    url: String,
    reserved: ReservedAddress,
    home: TempDir,
    django: &'static Django,
    /// Its own settings.
    variables: &'static [(&'static str, &'static str)],
}

const ASK_BY_HTTP: &[u8] = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// gunicorn, too, closes after `Connection: close`.
const ASK_BY_UWSGI: &[u8] = b"\0\x65\0\0\
    \x0e\0REQUEST_METHOD\x03\0GET\x09\0PATH_INFO\x05\0/echo\x0c\0QUERY_STRING\0\0\
    \x09\0HTTP_HOST\x09\0localhost\x0f\0HTTP_CONNECTION\x05\0close";
/// Python starts slowly on a busy machine.
const START: Duration = Duration::from_secs(60);

// === impl Wsgi ===

impl Wsgi {
    /// Starts it and waits until it responds.
    pub(crate) fn start(server: Server, django: &'static Django) -> Self {
        Self::start_with(server, django, &[])
    }

    /// Like `start`, with settings that gunicorn and uWSGI read from the environment.
    pub(crate) fn start_with(
        server: Server,
        django: &'static Django,
        variables: &'static [(&'static str, &'static str)],
    ) -> Self {
        let (home, reserved) = (django.home(), ReservedAddress::new(server.transport()));
        let child = server.spawn(django, &home, &reserved, variables);
        let mut wsgi =
            Self { child, server, url: reserved.url(), reserved, home, django, variables };
        wsgi.until_it_answers();
        wsgi
    }

    /// Kills the server and its workers.
    pub(crate) fn kill(&mut self) {
        // The workers are in the process group of the server.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }

    /// Starts a killed server again, and does not wait until it responds.
    pub(crate) fn start_again(&mut self) {
        self.child = self.server.spawn(self.django, &self.home, &self.reserved, self.variables);
    }

    /// Reloads the application while the server runs.
    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Sideman in front of it.
    pub(crate) fn settings(&self) -> Settings {
        let settings = Settings::before(&self.url);
        match self.server.speaks_uwsgi() {
            true => settings.set("upstream.uwsgi_flavour", self.server.flavour()),
            false => settings,
        }
    }

    pub(crate) fn server(&self) -> Server {
        self.server
    }

    /// The value of `upstream.url`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// SITE_DATA of the project.
    pub(crate) fn home(&self) -> &TempDir {
        &self.home
    }

    fn until_it_answers(&mut self) {
        let server = self.server;
        let deadline = Instant::now() + START;
        let ask = if server.speaks_uwsgi() { ASK_BY_UWSGI } else { ASK_BY_HTTP };
        while !self.responses(ask) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{server:?} does not answer ({ended:?}); its log:\n{}",
                fs::read_to_string(self.home.join("server.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a request gets an HTTP response.
    fn responses(&self, ask: &[u8]) -> bool {
        let mut response = [0; 7];
        let limit = Some(Duration::from_secs(5));
        let asked = self.reserved.connect().and_then(|mut stream| {
            stream.set_read_timeout(limit)?;
            stream.write_all(ask)?;
            stream.read_exact(&mut response)
        });
        asked.is_ok() && &response == b"HTTP/1."
    }
}

impl Drop for Wsgi {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
            let skip = log.lines().count().saturating_sub(20);
            eprintln!("--- last lines of the server's log");
            log.lines().skip(skip).for_each(|line| eprintln!("{line}"));
        }
    }
}

// === impl Server ===

impl Server {
    fn transport(self) -> Transport {
        let protocol = match (self.speaks_uwsgi(), self.flavour()) {
            (false, _) => Protocol::Http,
            (true, "gunicorn") => Protocol::GunicornUwsgi,
            (true, _) => Protocol::Uwsgi,
        };
        let is_unix = matches!(
            self,
            Self::GunicornUnix
                | Self::UwsgiRouter
                | Self::UwsgiPacketsUnix
                | Self::GunicornPacketsUnix
                | Self::UvicornUnix
        );
        Transport { protocol, is_unix }
    }

    /// Whether Django runs under ASGI.
    pub(crate) fn is_asgi(self) -> bool {
        matches!(self, Self::GunicornAsgi | Self::UvicornUnix)
    }

    /// A port is passed as a listening socket: it is known before the server starts, and no other program can take it
    /// in between.
    fn spawn(
        self,
        django: &Django,
        home: &TempDir,
        reserved: &ReservedAddress,
        variables: &[(&str, &str)],
    ) -> Child {
        let log = File::options().create(true).append(true).open(home.join("server.log")).unwrap();
        let (bind, stdin) = match reserved.path() {
            Some(path) => (path.display().to_string(), Stdio::null()),
            None => ("fd://0".to_owned(), Stdio::from(OwnedFd::from(reserved.listen()))),
        };
        let mut command = self.command(django, home, &bind);
        command.envs(variables.iter().copied());
        command.stdin(stdin).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Whether it speaks the uwsgi protocol.
    pub(crate) fn speaks_uwsgi(self) -> bool {
        use Server::{GunicornPackets, GunicornPacketsUnix, UwsgiPackets, UwsgiPacketsUnix};
        matches!(self, UwsgiPackets | UwsgiPacketsUnix | GunicornPackets | GunicornPacketsUnix)
    }

    /// Whether it keeps connections alive, and announces it.
    pub(crate) fn keeps_connections(self) -> bool {
        match self {
            Self::GunicornThreads
            | Self::GunicornUnix
            | Self::GunicornPackets
            | Self::GunicornPacketsUnix => true,
            // These close every connection; the router keeps them alive, and does not announce it.
            Self::GunicornSync
            | Self::UwsgiSocket
            | Self::UwsgiRouter
            | Self::UwsgiPackets
            | Self::UwsgiPacketsUnix
            // These keep connections alive, and do not announce it.
            | Self::GunicornAsgi
            | Self::UvicornUnix => false,
        }
    }

    /// `upstream.uwsgi_flavour`.
    pub(crate) fn flavour(self) -> &'static str {
        match self {
            Self::GunicornPackets | Self::GunicornPacketsUnix => "gunicorn",
            Self::GunicornSync
            | Self::GunicornThreads
            | Self::GunicornUnix
            | Self::UwsgiSocket
            | Self::UwsgiRouter
            | Self::UwsgiPackets
            | Self::UwsgiPacketsUnix
            | Self::GunicornAsgi
            | Self::UvicornUnix => "uwsgi",
        }
    }

    fn command(self, django: &Django, home: &TempDir, bind: &str) -> Command {
        let gunicorn = |arguments: &[&str]| {
            let bind = if bind.starts_with('/') { format!("unix:{bind}") } else { bind.to_owned() };
            // `-m` because a long path to target/ would not fit into the script's first line.
            let mut command = django.command("python", home.path());
            command
                .args(["-m", "gunicorn", "--no-control-socket", "--bind", &bind])
                .args(arguments)
                .arg(if self.is_asgi() { "project.asgi" } else { "project.wsgi" });
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
            Self::GunicornPackets | Self::GunicornPacketsUnix => gunicorn(&[
                "--protocol",
                "uwsgi",
                "--worker-class",
                "gthread",
                "--workers",
                "2",
                "--threads",
                "4",
            ]),
            Self::UwsgiPackets | Self::UwsgiPacketsUnix => uwsgi(&["--uwsgi-socket", bind]),
            Self::UwsgiSocket => uwsgi(&["--http-socket", bind]),
            Self::GunicornAsgi => {
                gunicorn(&["--worker-class", "uvicorn.workers.UvicornWorker", "--workers", "2"])
            }
            Self::UvicornUnix => {
                let mut command = django.command("python", home.path());
                command.args(["-m", "uvicorn", "--lifespan", "off", "--uds", bind]);
                command.arg("project.asgi:application");
                command
            }
            Self::UwsgiRouter => {
                uwsgi(&["--http", bind, "--http-keepalive", "--http-auto-chunked"])
            }
        }
    }
}
