//! `sideman run` and `sideman demo`: start, serve, leave.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use super::demo;
use crate::{
    config::{self, Environment, Flags},
    lifecycle::{self, Addresses, Outcome, StartError},
    plan::{Level, Listen, Log, Plan, Shutdown},
};

/// What the shell and orchestrators know as wrong usage.
const BAD_SETTINGS: u8 = 2;
/// Requests were cut by the deadline or a second signal.
const REQUESTS_CUT: u8 = 3;

/// Serves as the settings say, until a signal comes.
pub(super) fn run(flags: &Flags, environment: &Environment, err: &mut dyn io::Write) -> ExitCode {
    match config::load(flags, environment) {
        Ok(loaded) => serve(loaded.plan, err, |_| {}),
        Err(problems) => {
            let _ = writeln!(err, "{problems}");
            ExitCode::from(BAD_SETTINGS)
        }
    }
}

/// Serves a small application and its files, which come along.
pub(super) fn show(
    listen: SocketAddr,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    let demo = match demo::start() {
        Ok(demo) => demo,
        Err(error) => {
            let _ = writeln!(err, "the demo can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let flags = Flags {
        config: None,
        values: vec![
            ("server.listen", vec![listen.to_string()]),
            ("upstream.url", vec![format!("http://{}", demo.application)]),
            ("static.roots", vec![format!("/static/={}", demo.static_directory.display())]),
            ("admin.listen", vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()]),
        ],
    };
    // No environment: the demo is the same everywhere.
    let plan = match config::load(&flags, &Environment::default()) {
        Ok(loaded) => loaded.plan,
        Err(problems) => {
            let _ = writeln!(err, "{problems}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let health = plan.health.path.clone();
    let log = Log { level: Level::Warn, ..plan.log };
    // Nobody has to look away first, and an open event stream would never end.
    let shutdown = Shutdown {
        delay: Duration::ZERO,
        timeout: Duration::from_secs(3),
        tunnels: Duration::from_secs(3),
    };
    let plan = Plan { log, shutdown, ..plan };
    let banner = |addresses: &Addresses| {
        let site = match addresses.site.first() {
            Some((Listen::Tcp(address), _)) => *address,
            Some((Listen::Unix(_), _)) | None => listen,
        };
        let metrics = addresses.admin.map(|admin| format!("http://{admin}/metrics"));
        let text = demo::banner(
            &format!("http://{site}/"),
            &format!("http://{site}{health}"),
            &metrics.unwrap_or_default(),
        );
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    };
    serve(plan, err, banner)
}

fn serve(plan: Plan, err: &mut dyn io::Write, on_start: impl FnOnce(&Addresses)) -> ExitCode {
    let outcome = lifecycle::start(plan).and_then(|running| {
        on_start(&running.addresses);
        running.wait().map_err(StartError::System)
    });
    match outcome {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Cut(_)) => ExitCode::from(REQUESTS_CUT),
        Err(error) => {
            let _ = writeln!(err, "{error}");
            ExitCode::FAILURE
        }
    }
}
