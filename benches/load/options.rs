//! The command line of the load test, and the shape of the load that follows from it.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{ArgAction, Parser};

use crate::server::Kind;

const SECONDS: RangeInclusive<f64> = 0.2..=60.0;

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

    /// Runs of each row on each server [default: 5 with --versus, else 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,

    /// Length of one measurement; the cold rows end when they have read every file
    #[arg(long, default_value = "2", value_parser = seconds)]
    seconds: Duration,

    /// Connections of the load generator, each with one request at a time; some rows use fewer
    #[arg(long, default_value = "32", value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,

    /// Worker threads of Sideman and worker processes of nginx
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,

    /// Write every run, the machine and the method to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Passed by `cargo bench`
    #[arg(long, hide = true, action = ArgAction::SetTrue)]
    bench: bool,
}

/// How hard and how long to press.
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
        let rounds = if self.versus.is_some() { 5 } else { 3 };
        Load {
            rounds: self.rounds.unwrap_or(rounds),
            warmup: Duration::from_millis(300),
            window: self.seconds,
            connections: self.connections,
            workers: self.workers,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(value) if SECONDS.contains(&value) => Ok(Duration::from_secs_f64(value)),
        _ => Err(format!("expected a number from {} to {}", SECONDS.start(), SECONDS.end())),
    }
}
