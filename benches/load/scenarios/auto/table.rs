//! The table of application servers. Data only.

use std::time::Duration;

use super::super::app_server::{AppServer, MANY, VIEW, gunicorn, uwsgi, waitress};

/// The view of servers that wait for many requests at a time: with a shorter one, their processor is the limit.
const LONG_VIEW: Duration = Duration::from_millis(250);
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
    waitress("waitress_4", &["waitress-serve", "--threads=4", "--no-expose-tracebacks"], 4),
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
