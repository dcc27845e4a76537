//! `sideman run` and `sideman demo`: start, serve, shut down.

use std::{
    io::{self, IsTerminal as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use super::demo::Demo;
use crate::{
    config::{self, Environment, Flags, LoadedSettings, Problem, Problems, Setting, ValueOrigin},
    lifecycle::{
        self, BoundAddresses, ChildCommand, ServiceManager, SettingsSource, ShutdownOutcome,
        StartError,
    },
    plan::{Level, ListenAddress, ShutdownSettings},
};

/// Exit status for wrong usage, as in shells and orchestrators.
pub(super) const BAD_SETTINGS: u8 = 2;
/// Exit status if requests were aborted by the deadline or a second signal.
const REQUESTS_ABORTED: u8 = 3;
/// Exit status if the application had to be killed: that of a process that SIGKILL has ended.
const APPLICATION_KILLED: u8 = 137;
/// Help for new users, who may run Sideman in a container.
const EXAMPLE: &str = "

for example, before gunicorn --bind 127.0.0.1:8000 --workers 4 --threads 2:
  sideman run --upstream http://127.0.0.1:8000 --max-in-flight 8 --static /static/=/srv/static
or by the environment, as in a container:
  SIDEMAN_UPSTREAM=http://127.0.0.1:8000
  SIDEMAN_MAX_IN_FLIGHT=8
  SIDEMAN_STATIC=/static/=/srv/static
sideman check shows all settings; sideman demo runs without any";

/// Serves with these settings until a signal arrives.
pub(super) fn run(flags: &Flags, environment: &Environment, err: &mut dyn io::Write) -> ExitCode {
    match config::load(flags, environment).map(at_terminal) {
        Ok(loaded) => {
            let service_manager = match ServiceManager::of_process(environment) {
                Ok(found) => found,
                Err(error) => return failed(&error.into(), err),
            };
            let (flags, environment) = (flags.clone(), environment.clone());
            let read = Arc::new(move || config::load(&flags, &environment).map(at_terminal));
            let source = Some(SettingsSource(read));
            serve(Start { loaded, source, child: None, service_manager }, err, |_| {})
        }
        Err(problems) => {
            let example = if lacks_all(&problems) { EXAMPLE } else { "" };
            let _ = writeln!(err, "{problems}{example}");
            ExitCode::from(BAD_SETTINGS)
        }
    }
}

/// Returns whether the process was started by hand. Then `shutdown.delay` is 0 by default, because there is no load
/// balancer.
///
/// The first process of a container was not started by hand, even if it has a terminal.
pub(super) fn at_terminal(mut loaded: LoadedSettings) -> LoadedSettings {
    let is_set = |setting: &Setting| {
        setting.id.key.name == "shutdown.delay" && setting.origin != ValueOrigin::Default
    };
    let is_by_hand = io::stdin().is_terminal() && std::process::id() != 1;
    if is_by_hand && !loaded.settings.iter().any(is_set) {
        loaded.plan.shutdown.delay = Duration::ZERO;
    }
    loaded
}

/// Returns whether the only problem is a missing setting.
fn lacks_all(problems: &Problems) -> bool {
    problems.iter().all(Problem::is_missing)
}

/// Returns the default admin address of the demo: that of `run`, or a free port if it is in use.
fn demo_admin(wanted: Option<SocketAddr>) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 9180));
    let is_free = || TcpListener::bind(usual).is_ok();
    match wanted {
        Some(wanted) => wanted,
        None if is_free() => usual,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

/// Runs the demo's application and Sideman.
pub(super) fn show(
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    let demo = match Demo::start() {
        Ok(demo) => demo,
        Err(error) => {
            let advice = "set TMPDIR to a writable directory with a short path";
            let _ = writeln!(err, "cannot write the demo's files: {error}; {advice}");
            return ExitCode::FAILURE;
        }
    };
    let mut values = demo.settings().to_vec();
    values.push(("server.listen", vec![listen.to_string()]));
    values.push(("admin.listen", vec![demo_admin(admin).to_string()]));
    // The environment is ignored: the demo is the same everywhere.
    let flags = Flags { values, ..Flags::default() };
    let loaded = config::load(&flags, &Environment::default());
    let LoadedSettings { mut plan, settings } = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _ = writeln!(err, "{problems}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    plan.log.level = Level::Warn;
    // There is no load balancer to wait for, and event streams never end on their own.
    let tunnels = Duration::from_secs(3);
    plan.shutdown = ShutdownSettings { delay: Duration::ZERO, timeout: tunnels, tunnels };
    let health = plan.health.path.clone();
    let banner = |addresses: &BoundAddresses| {
        let site = match addresses.site.first() {
            Some((ListenAddress::Tcp(address), _)) => *address,
            Some((ListenAddress::Unix(_), _)) | None => listen,
        };
        let metrics = addresses.admin.map(|admin| format!("http://{admin}/metrics"));
        let metrics = metrics.unwrap_or_default();
        let _ = writeln!(
            out,
            "Sideman demo\n  Site      http://{site}/\n  Health    http://{site}{health}\n  \
             Metrics   {metrics}\n\nOpen the site in a browser. Each request prints one line here; \
             press Ctrl-C to stop the demo.\n"
        );
        let _ = out.flush();
    };
    let loaded = LoadedSettings { plan, settings };
    let service_manager = ServiceManager::default();
    serve(Start { loaded, source: None, child: None, service_manager }, err, banner)
}

/// The process to start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) loaded: LoadedSettings,
    /// Reads the settings again for a reload.
    pub(super) source: Option<SettingsSource>,
    /// The application, if Sideman starts it.
    pub(super) child: Option<ChildCommand>,
    pub(super) service_manager: ServiceManager,
}

/// Serves until the end.
pub(super) fn serve(
    start: Start,
    err: &mut dyn io::Write,
    on_start: impl FnOnce(&BoundAddresses),
) -> ExitCode {
    let Start { loaded, source, child, service_manager } = start;
    let outcome = lifecycle::start(loaded, source, child, service_manager).and_then(|running| {
        on_start(&running.addresses);
        running.wait().map_err(StartError::System)
    });
    match outcome {
        Ok(ShutdownOutcome::Clean) => ExitCode::SUCCESS,
        Ok(ShutdownOutcome::Aborted(_)) => ExitCode::from(REQUESTS_ABORTED),
        Ok(ShutdownOutcome::ApplicationFailed(code)) => ExitCode::from(code),
        Ok(ShutdownOutcome::ApplicationKilled) => ExitCode::from(APPLICATION_KILLED),
        Err(error) => failed(&error, err),
    }
}

/// Prints why the start failed.
pub(super) fn failed(error: &StartError, err: &mut dyn io::Write) -> ExitCode {
    let _ = writeln!(err, "{error}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use crate::command::args::{Cli, Command};

    use super::*;

    fn output(variables: &[(&str, &str)]) -> (ExitCode, String) {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let mut err = Vec::new();
        let code = run(&Flags::default(), &environment.collect(), &mut err);
        (code, String::from_utf8(err).unwrap())
    }

    #[test]
    fn run_without_settings_prints_a_working_example() {
        let (code, text) = output(&[]);
        assert_eq!(code, ExitCode::from(BAD_SETTINGS));
        assert!(text.contains("upstream.url (not set)"), "{text}");
        let lines = text.lines().map(str::trim);
        let pairs = lines.filter(|line| line.starts_with("SIDEMAN_"));
        let pairs: Environment = pairs
            .filter_map(|line| line.split_once('='))
            .map(|(a, b)| (a.into(), b.into()))
            .collect();
        assert_eq!(pairs.len(), 3, "{text}");
        let plan = config::load(&Flags::default(), &pairs).unwrap().plan;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("sideman run ")).unwrap();
        let words = ["sideman", "run"].into_iter().chain(line.split(' '));
        let cli = <Cli as clap::Parser>::try_parse_from(words).unwrap();
        let Some(Command::Run(settings)) = cli.command else { panic!("{:?}", cli.command) };
        let flagged = config::load(&settings.flags(), &Environment::default()).unwrap().plan;
        assert_eq!(flagged, plan);
    }

    #[test]
    fn invalid_settings_print_no_example() {
        for variables in [
            [("SIDEMAN_UPSTREAM", "ftp://a"), ("SIDEMAN_LISTEN", "80")],
            [("SIDEMAN_LISTEN", "nowhere"), ("SIDEMAN_ADMIN", "off")],
        ] {
            let (code, text) = output(&variables);
            assert_eq!(code, ExitCode::from(BAD_SETTINGS));
            assert!(!text.contains("for example"), "{text}");
        }
    }
}
