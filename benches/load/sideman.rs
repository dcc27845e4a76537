//! Sideman as it is usually run: defaults, JSON access log on stdout, metrics on.

use std::{
    ffi::OsString,
    fs::File,
    io,
    process::{Command, Stdio},
};

use crate::{
    certificate::Certificate,
    setup::{Application, Setup},
};

/// Built by cargo, with this bench's profile.
const BUILT: &str = env!("CARGO_BIN_EXE_sideman");
/// The variable that names another program to run.
const BINARY: &str = "SIDEMAN_BINARY";

/// A variable and its value.
const CACHE: (&str, &str) = ("SIDEMAN_CACHE", "64MiB");

/// The command that runs Sideman with `setup`.
pub(crate) fn command(setup: &Setup<'_>) -> io::Result<Command> {
    let mut files = OsString::from("/static/=");
    files.push(setup.root.join("static"));
    let mut command = setup.program(binary());
    command
        .arg("run")
        .args(["--listen", &setup.listen.to_string()])
        .args(["--upstream", &url(setup.application)])
        .arg("--static")
        .arg(files)
        .args(["--admin", &setup.admin.to_string()])
        .args(["--workers", &setup.workers.to_string()])
        // The caller's SIDEMAN_ variables would be settings of the server under test.
        .env_clear()
        // No load balancer has to notice the shutdown.
        .env("SIDEMAN_SHUTDOWN__DELAY", "0s")
        // As in nginx.rs.
        .env("SIDEMAN_SERVER__MAX_REQUESTS", "1000000")
        // The origin runs already, and a failing health check is a line in the access log.
        .env("SIDEMAN_HEALTH__WAIT_FOR_APPLICATION", "false")
        .stdin(Stdio::null())
        .stdout(File::create(setup.access_log())?)
        .stderr(File::create(setup.error_log())?);
    if let Some((listen, Certificate { chain, key, .. })) = &setup.tls {
        let pair = format!("{}={}", chain.display(), key.display());
        command.env("SIDEMAN_TLS__LISTEN", listen.to_string());
        command.env("SIDEMAN_TLS__CERTIFICATES", pair);
    }
    if setup.is_cached {
        command.env(CACHE.0, CACHE.1);
    }
    for setting in setup.settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        command.env(format!("SIDEMAN_{name}"), value);
    }
    Ok(command)
}

/// The reason why this Sideman does not support the application's protocol or has no cache, if so, as it prints it.
pub(crate) fn refuses(application: &Application, is_cached: bool) -> io::Result<Option<String>> {
    let mut command = Command::new(binary());
    command.args(["check", "--upstream", &url(application)]).env_clear();
    if is_cached {
        command.env(CACHE.0, CACHE.1);
    }
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = said.split_ascii_whitespace().collect();
    Ok((!output.status.success()).then(|| said.join(" ")))
}

/// `sideman --version`.
pub(crate) fn version() -> io::Result<String> {
    let output =
        Command::new(binary()).arg("--version").stdin(Stdio::null()).output().map_err(|error| {
            let binary = binary().display().to_string();
            io::Error::new(error.kind(), format!("cannot run {binary}: {error}"))
        })?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(if text.is_empty() { "sideman, version unknown".into() } else { text })
}

fn binary() -> OsString {
    std::env::var_os(BINARY).unwrap_or_else(|| BUILT.into())
}

/// The application in the form of `upstream.url`.
fn url(application: &Application) -> String {
    match application {
        Application::Http(address) => format!("http://{address}"),
        Application::Unix(path) => format!("http+unix:{}", path.display()),
        Application::Uwsgi(address) => format!("uwsgi://{address}"),
    }
}
