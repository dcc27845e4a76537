//! HAProxy with a queue before the application, for scenarios: it has no files to serve.
//!
//! The rules behind each line are in README.md, under "Scenarios".

use std::{
    fs::{self, File},
    io,
    process::{Command, Stdio},
};

use crate::setup::{Application, Setup};

/// Debian installs HAProxy outside an ordinary user's PATH.
const PLACES: &[&str] = &["haproxy", "/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];

/// The command that runs HAProxy with `setup`; `queue` is how long a request may wait.
pub(crate) fn command(setup: &Setup<'_>, queue: &str) -> io::Result<Command> {
    let configuration = setup.directory.join("haproxy.cfg");
    fs::write(&configuration, text(setup, queue)?)?;
    let mut command = Command::new(find()?);
    command
        .arg("-db")
        .arg("-f")
        .arg(configuration)
        .stdin(Stdio::null())
        .stdout(File::create(setup.access_log())?)
        .stderr(File::create(setup.error_log())?);
    Ok(command)
}

/// The first line of `haproxy -v`.
pub(crate) fn version() -> io::Result<String> {
    let output = Command::new(find()?).arg("-v").stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split(" - ").next().unwrap_or_default().trim().to_owned())
}

/// The installed HAProxy.
pub(crate) fn find() -> io::Result<&'static str> {
    let runs = |place: &&&str| {
        Command::new(place)
            .arg("-v")
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|o| o.status.success())
    };
    PLACES.iter().find(runs).copied().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "HAProxy is not installed: there is none on PATH nor in /usr/sbin; \
             install it (on Debian the package haproxy) or leave out `haproxy`",
        )
    })
}

fn text(setup: &Setup<'_>, queue: &str) -> io::Result<String> {
    let Setup { listen, workers, in_flight, .. } = setup;
    let server = match setup.application {
        Application::Http(address) => address.to_string(),
        Application::Unix(path) => format!("unix@{}", path.display()),
        Application::Uwsgi(_) => {
            return Err(io::Error::other("HAProxy takes part in scenarios only, over HTTP"));
        }
    };
    Ok(format!(
        r#"global
    nbthread {workers}
    maxconn 4096
    log stdout format raw local0

defaults
    mode http
    log global
    option httplog
    option dontlognull
    option abortonclose
    option redispatch
    retries 3
    retry-on conn-failure empty-response
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout queue {queue}

frontend clients
    bind {listen} backlog 1024
    http-request set-log-level silent if {{ path /healthz }}
    http-request return status 200 content-type text/plain string ready if {{ path /healthz }}
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http
    default_backend application

backend application
    http-reuse safe
    server gunicorn {server} maxconn {in_flight}
"#
    ))
}
