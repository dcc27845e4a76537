//! An application server: how it is started, and how many requests it works on. Data only.

use std::time::Duration;

/// An application server with its workers.
#[derive(Clone, Copy, Debug)]
pub(super) struct AppServer {
    pub(super) name: &'static str,
    /// The program, and its options without the address.
    pub(super) command: &'static [&'static str],
    /// The options for an address: `{host}` and `{port}`, or `{path}` of a unix socket.
    pub(super) tcp: &'static [&'static str],
    pub(super) unix: &'static [&'static str],
    /// Requests that it works on at a time: the number that is set by hand.
    pub(super) workers: u32,
    /// How long the view waits.
    pub(super) view: Duration,
    /// Whether two workers are added after a third of the time (SIGTTIN), and removed after two thirds (SIGTTOU).
    pub(super) changes: bool,
}

/// How long most views wait.
pub(super) const VIEW: Duration = Duration::from_millis(50);
/// The upper bound of `auto`.
pub(super) const MANY: u32 = 100;

const GUNICORN_TCP: &[&str] = &["--bind", "{host}:{port}"];
const GUNICORN_UNIX: &[&str] = &["--bind", "unix:{path}"];
const UWSGI_TCP: &[&str] = &["--http-socket", "{host}:{port}"];
const UWSGI_UNIX: &[&str] = &["--http-socket", "{path}"];

/// gunicorn with these options.
pub(super) const fn gunicorn(
    name: &'static str,
    command: &'static [&'static str],
    workers: u32,
) -> AppServer {
    AppServer {
        name,
        command,
        tcp: GUNICORN_TCP,
        unix: GUNICORN_UNIX,
        workers,
        view: VIEW,
        changes: false,
    }
}

/// uWSGI with these options.
pub(super) const fn uwsgi(
    name: &'static str,
    command: &'static [&'static str],
    workers: u32,
) -> AppServer {
    AppServer { tcp: UWSGI_TCP, unix: UWSGI_UNIX, ..gunicorn(name, command, workers) }
}

/// waitress, which reads requests before it begins them.
pub(super) const fn waitress(
    name: &'static str,
    command: &'static [&'static str],
    workers: u32,
) -> AppServer {
    AppServer {
        tcp: &["--listen={host}:{port}", "app:application"],
        unix: &["--unix-socket={path}", "app:application"],
        ..gunicorn(name, command, workers)
    }
}

// === impl AppServer ===

impl AppServer {
    /// Requests per second that it can respond to.
    pub(super) fn capacity(&self) -> f64 {
        f64::from(self.workers) / self.view.as_secs_f64()
    }
}
