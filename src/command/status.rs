//! `sideman status`: prints the status of the running process, from its admin listener, once or each second.

use std::{
    ffi::OsStr,
    io::{self, IsTerminal as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use super::{
    admin_peer,
    args::StatusArgs,
    http_request::{self, CheckPeer},
    screen::ScreenSize,
};
use crate::{
    config::{self, Environment},
    finding::printable,
};

const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// The pause between two reports of `--watch`. The process counts once a second.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// Prints the status. The exit status is 1 if the process cannot be asked.
pub(super) fn status(
    args: &StatusArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    match fetch(args, environment) {
        Ok(text) if args.watch => watch(text, args, environment, out),
        Ok(text) => {
            let _ = write!(out, "{text}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            let _ = writeln!(err, "{fault}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the status until nobody reads it. A process that ends may be back after a restart.
fn watch(
    mut text: String,
    args: &StatusArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
) -> ExitCode {
    // A dumb terminal has no escape sequences.
    let is_dumb = environment.get(OsStr::new("TERM")).is_some_and(|term| term == "dumb");
    let is_screen = io::stdout().is_terminal() && !is_dumb && !args.json;
    loop {
        let shown = match is_screen {
            true => ScreenSize::of_stdout().frame(&text),
            false => text,
        };
        if write!(out, "{shown}").and_then(|()| out.flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        thread::sleep(WATCH_PAUSE);
        text = fetch(args, environment).unwrap_or_else(|fault| match args.json {
            true => serde_json::json!({ "error": fault }).to_string() + "\n",
            false => fault + "\n",
        });
    }
}

fn fetch(args: &StatusArgs, environment: &Environment) -> Result<String, String> {
    let timeout = config::duration(&args.timeout, Duration::from_millis(1), MAX_TIMEOUT)
        .map_err(|fault| format!("--timeout {:?}: {fault}", args.timeout))?;
    let address = admin_peer::address(&args.settings.flags(), environment)?;
    let path = if args.json { "/-/status.json" } else { "/-/status" };
    // HTTP/1.0 avoids a chunked response.
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: sideman-status\r\n\r\n");
    let text = http_request::send(&CheckPeer::Host(address.to_string()), &request, timeout)
        .map_err(|fault| printable(&format!("GET http://{address}{path}: {fault}")))?;
    Ok(match args.json {
        true => text,
        // Another program may listen there.
        false => text.lines().map(|line| printable(line) + "\n").collect(),
    })
}
