//! Varnish with a cache of the same size as Sideman's, for the rows of the cache: it serves no files.
//!
//! The rules behind each line are in README.md, under "The cache".

use std::{
    fs::{self, File},
    io,
    process::{Command, Stdio},
};

use crate::setup::{Application, Setup};

/// Debian installs Varnish outside an ordinary user's PATH.
const PLACES: &[&str] = &["varnishd", "/usr/sbin/varnishd", "/usr/local/sbin/varnishd"];

/// The command that runs Varnish with `setup`.
pub(crate) fn command(setup: &Setup<'_>) -> io::Result<Command> {
    let configuration = setup.directory.join("varnish.vcl");
    fs::write(&configuration, text(setup)?)?;
    // It logs into memory that other programs may read: the file stays empty.
    File::create(setup.access_log())?;
    let mut command = setup.program(find()?);
    command
        // Without another user for its child, who could not read the build directory.
        .args(["-F", "-j", "none", "-T", "none", "-s", "malloc,64m"])
        .arg("-a")
        .arg(setup.listen.to_string())
        .arg("-n")
        .arg(setup.directory.join("varnish"))
        .arg("-f")
        .arg(configuration)
        // One pool has a thread for each connection that waits, so the pools are what compares with workers.
        .args(["-p", &format!("thread_pools={}", setup.workers)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(setup.error_log())?);
    Ok(command)
}

/// The first line of `varnishd -V`.
pub(crate) fn version() -> io::Result<String> {
    let output = Command::new(find()?).arg("-V").stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(text.lines().next().unwrap_or_default().trim_start_matches("varnishd ").to_owned())
}

/// The installed Varnish.
pub(crate) fn find() -> io::Result<&'static str> {
    let runs = |place: &&&str| {
        Command::new(place)
            .arg("-V")
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success())
    };
    PLACES.iter().find(runs).copied().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "Varnish is not installed: there is no varnishd on PATH nor in /usr/sbin; \
             install it (on Debian the package varnish) or leave out `varnish`",
        )
    })
}

fn text(setup: &Setup<'_>) -> io::Result<String> {
    let Application::Http(address) = setup.application else {
        return Err(io::Error::other("Varnish speaks to applications over TCP only"));
    };
    Ok(format!(
        r#"vcl 4.1;

backend application {{
    .host = "{}";
    .port = "{}";
}}

sub vcl_recv {{
    if (req.url == "/healthz") {{
        return (synth(200));
    }}
}}

sub vcl_backend_response {{
    set beresp.grace = 1h;
    if (beresp.http.content-type ~ "^text/") {{
        set beresp.do_gzip = true;
    }}
}}
"#,
        address.ip(),
        address.port()
    ))
}
