//! The command line of the load test, and the shape of the load that follows from it.

use std::{io, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{ArgAction, Parser};

use crate::{deployment::options::DeploymentOptions, saved_run::SavedRun, server::Kind};

const WINDOW: Duration = Duration::from_secs(2);
/// Every load ends, after ten minutes at the latest.
const SECONDS: RangeInclusive<f64> = 0.2..=600.0;
const CONNECTIONS: u32 = 32;
/// The limit for a load on a running deployment.
const TARGET_WINDOW: Duration = Duration::from_secs(10);
const TARGET_CONNECTIONS: u32 = 50;

/// Load test of Sideman on loopback: requests/s, CPU per request, latency and memory for each row.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --bench load --")]
pub(crate) struct Options {
    /// Measure this server too, in turn with the first, and print the ratio of medians
    #[arg(long, value_name = "SERVER")]
    pub(crate) versus: Option<Kind>,

    /// The server under test; with `--versus` of the same name the ratio shows the noise
    #[arg(long, value_name = "SERVER", default_value = "sideman")]
    pub(crate) server: Kind,

    /// Rows to run, by name, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "ROW")]
    pub(crate) rows: Vec<String>,

    /// Scenarios to run instead of rows, separated by commas, or `all`: something goes wrong, mostly
    /// with real gunicorn, before each installed server or the two named by `--server` and `--versus`
    #[arg(long, value_delimiter = ',', value_name = "SCENARIO", conflicts_with = "rows")]
    pub(crate) scenario: Vec<String>,

    /// Count user-space instructions of a request under valgrind instead, for Sideman and for nginx if it
    /// is installed; fails when a row takes over 3 % more than benches/load/instructions.txt says
    #[arg(
        long,
        conflicts_with_all = ["scenario", "rows", "versus", "server", "rounds", "seconds", "connections", "workers", "save"]
    )]
    pub(crate) instructions: bool,

    /// With `--instructions`: write the counts to benches/load/instructions.txt
    #[arg(long, requires = "instructions")]
    pub(crate) update: bool,

    /// With `--instructions`: the number of named routes that the requests do not match. Nothing is compared
    /// with nginx, and no row fails
    #[arg(long, requires = "instructions", conflicts_with = "update", default_value_t = 0)]
    pub(crate) routes: usize,

    /// Sideman's settings in scenarios, separated by commas: variables without SIDEMAN_. `--settings ''` leaves
    /// the defaults
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAME=VALUE",
        default_value = "UPSTREAM__MAX_IN_FLIGHT=4"
    )]
    settings: Vec<String>,

    /// Runs of each row or scenario on each server [default: 5 with --versus, else 3; scenarios: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,

    /// Length of one measurement; the cold rows end when they have read every file [default: 2;
    /// scenarios: auto 20, slowloris 12, mixed, mixed_views, slow_phase and one_worker 30, the others have their
    /// own; --target: 10]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,

    /// Application servers of the scenarios about limits, such as auto, separated by commas: all whose name begins so
    /// [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) applications: Vec<String>,

    /// Slow connections of the scenario slowloris
    #[arg(long, default_value = "5000", value_parser = clap::value_parser!(u32).range(3..=20_000))]
    pub(crate) slow: u32,

    /// Connections of the load generator, each with one request at a time; some rows use fewer [default: 32;
    /// --target: 50]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: Option<u32>,

    /// Worker threads of Sideman and HAProxy, worker processes of nginx
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,

    /// Write every run with date, machine and versions to a new file DATE-KIND.json in this directory, and a plot
    /// beside it
    #[arg(long, value_name = "DIRECTORY")]
    save: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) deployment: DeploymentOptions,

    /// Passed by `cargo bench`
    #[arg(long, hide = true, action = ArgAction::SetTrue)]
    bench: bool,
}

/// The strength and length of the load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) rounds: u32,
    pub(crate) warmup: Duration,
    pub(crate) window: Duration,
    pub(crate) connections: u32,
    pub(crate) workers: u32,
}

// === impl Options ===

impl Options {
    /// The load these options ask for.
    pub(crate) fn load(&self) -> Load {
        Load {
            rounds: self.rounds(),
            warmup: Duration::from_millis(300),
            window: self.seconds.unwrap_or(WINDOW),
            connections: self.connections.unwrap_or(CONNECTIONS),
            workers: self.workers,
        }
    }

    /// Runs of each row or scenario on each server.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(match (self.scenario.is_empty(), self.versus) {
            (false, _) => 1,
            (true, Some(_)) => 5,
            (true, None) => 3,
        })
    }

    /// Worker threads of Sideman and HAProxy, worker processes of nginx.
    pub(crate) fn workers(&self) -> u32 {
        self.workers
    }

    /// The length, or this default.
    pub(crate) fn length(&self, by_default: Duration) -> Duration {
        self.seconds.unwrap_or(by_default)
    }

    /// Sideman's settings in scenarios.
    pub(crate) fn settings(&self) -> Vec<String> {
        self.settings.iter().filter(|setting| !setting.is_empty()).cloned().collect()
    }

    /// The connections of a load on a running deployment.
    pub(crate) fn target_connections(&self) -> u32 {
        self.connections.unwrap_or(TARGET_CONNECTIONS)
    }

    /// The length of a load on a running deployment.
    pub(crate) fn target_length(&self) -> Duration {
        self.length(TARGET_WINDOW)
    }

    /// Writes the files of `--save`, if it was given.
    pub(crate) fn save(&self, run: &SavedRun) -> io::Result<()> {
        let Some(directory) = &self.save else { return Ok(()) };
        let path = run.write(directory)?;
        println!("saved: {}", path.display());
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(value) if SECONDS.contains(&value) => Ok(Duration::from_secs_f64(value)),
        _ => Err(format!(
            "must be a number from {} to {}: every load ends",
            SECONDS.start(),
            SECONDS.end()
        )),
    }
}
