//! The table of application servers: how each is started, and how many requests it works on. Data only.

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

const VIEW: Duration = Duration::from_millis(50);
/// The view of servers that wait for many requests at a time: with a shorter one, their processor is the limit.
const LONG_VIEW: Duration = Duration::from_millis(250);
/// The upper bound of `auto`.
const MANY: u32 = 100;

const GUNICORN_TCP: &[&str] = &["--bind", "{host}:{port}"];
const GUNICORN_UNIX: &[&str] = &["--bind", "unix:{path}"];
const UWSGI_TCP: &[&str] = &["--http-socket", "{host}:{port}"];
const UWSGI_UNIX: &[&str] = &["--http-socket", "{path}"];
const HOST_TCP: &[&str] = &["--host", "{host}", "--port", "{port}"];
const HOST_UNIX: &[&str] = &["--uds", "{path}"];

/// Every server, in the order in which they run.
pub(super) const SERVERS: &[AppServer] = &[
    gunicorn("gunicorn_sync_1", &["gunicorn", "--workers=1", "app:application"], 1),
    gunicorn("gunicorn_sync_2", &["gunicorn", "--workers=2", "app:application"], 2),
    gunicorn("gunicorn_sync_4", &["gunicorn", "--workers=4", "app:application"], 4),
    gunicorn("gunicorn_sync_9", &["gunicorn", "--workers=9", "app:application"], 9),
    AppServer {
        changes: true,
        ..gunicorn("gunicorn_sync_2_4_2", &["gunicorn", "--workers=2", "app:application"], 2)
    },
    gunicorn(
        "gunicorn_gthread_1x2",
        &["gunicorn", "--workers=1", "--threads=2", "app:application"],
        2,
    ),
    gunicorn(
        "gunicorn_gthread_4x4",
        &["gunicorn", "--workers=4", "--threads=4", "app:application"],
        16,
    ),
    AppServer {
        view: LONG_VIEW,
        ..gunicorn(
            "gunicorn_gevent_2",
            &["gunicorn", "--worker-class=gevent", "--workers=2", "app:application"],
            MANY,
        )
    },
    uwsgi("uwsgi_4", &["uwsgi", "--master", "--need-app", "--module=app", "--processes=4"], 4),
    uwsgi(
        "uwsgi_2x2",
        &["uwsgi", "--master", "--need-app", "--module=app", "--processes=2", "--threads=2"],
        4,
    ),
    uwsgi(
        "uwsgi_cheaper_2_to_6",
        &["uwsgi", "--master", "--need-app", "--module=app", "--processes=6", "--cheaper=2"],
        6,
    ),
    AppServer {
        name: "uvicorn_2",
        command: &["uvicorn", "--workers=2", "--no-access-log", "app:asgi"],
        tcp: HOST_TCP,
        unix: HOST_UNIX,
        workers: MANY,
        view: LONG_VIEW,
        changes: false,
    },
    AppServer {
        name: "waitress_4",
        command: &["waitress-serve", "--threads=4", "--no-expose-tracebacks"],
        tcp: &["--listen={host}:{port}", "app:application"],
        unix: &["--unix-socket={path}", "app:application"],
        workers: 4,
        view: VIEW,
        changes: false,
    },
    AppServer {
        name: "granian_2x2",
        command: &[
            "granian",
            "--interface=wsgi",
            "--workers=2",
            "--blocking-threads=2",
            "--no-ws",
            "app:application",
        ],
        tcp: HOST_TCP,
        unix: HOST_UNIX,
        workers: 4,
        view: VIEW,
        changes: false,
    },
];

const fn gunicorn(name: &'static str, command: &'static [&'static str], workers: u32) -> AppServer {
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

const fn uwsgi(name: &'static str, command: &'static [&'static str], workers: u32) -> AppServer {
    AppServer { tcp: UWSGI_TCP, unix: UWSGI_UNIX, ..gunicorn(name, command, workers) }
}

/// The servers whose name begins with one of these; all of them if there is none.
pub(super) fn select(names: &[String]) -> Result<Vec<AppServer>, String> {
    let is_of = |server: &AppServer, name: &String| server.name.starts_with(name.as_str());
    if let Some(unknown) = names.iter().find(|name| !SERVERS.iter().any(|one| is_of(one, name))) {
        let known: Vec<_> = SERVERS.iter().map(|server| server.name).collect();
        return Err(format!(
            "there is no application server `{unknown}`; there are {}",
            known.join(", ")
        ));
    }
    let chosen =
        |server: &&AppServer| names.is_empty() || names.iter().any(|name| is_of(server, name));
    Ok(SERVERS.iter().filter(chosen).copied().collect())
}

// === impl AppServer ===

impl AppServer {
    /// Requests per second that it can respond to.
    pub(super) fn capacity(&self) -> f64 {
        f64::from(self.workers) / self.view.as_secs_f64()
    }
}
