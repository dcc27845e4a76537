//! `sideman status`: prints the status of the running process, from its admin listener.

use std::{io, process::ExitCode, time::Duration};

use crate::config::{self, Environment};

use super::{
    admin_peer,
    args::StatusArgs,
    http_request::{self, CheckPeer},
};

const MAX_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Prints the status. The exit status is 1 if the process cannot be asked.
pub(super) fn status(
    args: &StatusArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    match fetch(args, environment) {
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

fn fetch(args: &StatusArgs, environment: &Environment) -> Result<String, String> {
    let timeout = config::duration(&args.timeout, Duration::from_millis(1), MAX_TIMEOUT)
        .map_err(|fault| format!("--timeout {:?}: {fault}", args.timeout))?;
    let address = admin_peer::address(&args.settings.flags(), environment)?;
    let path = if args.json { "/-/status.json" } else { "/-/status" };
    // HTTP/1.0 avoids a chunked response.
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nUser-Agent: sideman-status\r\n\r\n");
    http_request::send(&CheckPeer::Host(address.to_string()), &request, timeout)
        .map_err(|fault| format!("GET http://{address}{path}: {fault}"))
}
