//! The scenario `auto`: three times as many requests as the application can handle, before application servers of many
//! kinds. Sideman finds `upstream.max_in_flight` by itself, or has the right number; HAProxy has it as `maxconn`, nginx
//! has no limit.
//!
//! `table` has the servers.

mod table;

use std::{
    io, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    app_process::{Address, AppProcess},
    app_server::AppServer,
    figures::Figures,
    limit_log::LimitLog,
    overload::{Overload, Pair},
    plan::{Connections, Scenario, Target},
};
use crate::{report::Contender, server::Kind};

pub(super) const NAME: &str = "auto";
pub(super) const WHAT: &str = "application servers of many kinds with 3 times the load that they can handle, see --applications";
/// The length of the load.
pub(super) const LENGTH: Duration = Duration::from_secs(20);
/// The load, relative to what the application can handle.
const OVERLOAD: f64 = 3.0;
/// How long a client waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// The part of the time in which a limit is found and responses are not counted, at most this long.
const LEAD: Duration = Duration::from_secs(2);

/// The table's head; it and the lines are Markdown.
pub(super) const HEADING: &str = "\
| application           | over | server        | good/s | of capacity | 503  | failed | gave up | p50 ms | p99 ms | limit    | found by   | after s |
|-----------------------|------|---------------|-------:|------------:|-----:|-------:|--------:|-------:|-------:|---------:|------------|--------:|";

/// What all runs have in common.
pub(super) struct Runs<'a> {
    pub(super) overload: Overload<'a>,
}

/// One server in front of one application server.
struct Run<'a> {
    server: AppServer,
    address: Address,
    kind: Kind,
    label: &'a str,
    /// Whether Sideman finds the limit.
    is_auto: bool,
}

/// The result of a run.
struct Outcome {
    figures: Figures,
    log: LimitLog,
}

// === impl Runs ===

impl Runs<'_> {
    /// Runs the chosen application servers, over TCP and unix sockets, and prints a line for each run. Returns the
    /// server and the result of each.
    pub(super) fn compare(
        &self,
        names: &[String],
        contenders: &[Contender],
    ) -> io::Result<Vec<(String, Value)>> {
        let mut all = Vec::new();
        for server in table::select(names).map_err(io::Error::other)? {
            for address in [Address::Tcp, Address::Unix] {
                for Contender { kind, label, .. } in contenders {
                    // Its long queue would respond to clients that have left.
                    let (kind, label) = if *kind == Kind::Haproxy {
                        (Kind::HaproxyShort, &Kind::HaproxyShort.to_string())
                    } else {
                        (*kind, label)
                    };
                    let sideman = kind == Kind::Sideman;
                    for is_auto in [true, false].into_iter().filter(|auto| sideman || !auto) {
                        let label = match (sideman, is_auto) {
                            (true, true) => format!("{label} auto"),
                            (true, false) => format!("{label} {}", server.workers),
                            _ => label.clone(),
                        };
                        let run = Run { server, address, kind, label: &label, is_auto };
                        let outcome = self.run(&run).map_err(|error| {
                            let what = format!("{label} before {}: {error}", server.name);
                            io::Error::new(error.kind(), what)
                        })?;
                        println!("{}", self.line(&run, &outcome));
                        if !outcome.figures.reasons().is_empty() {
                            eprintln!("  {label}, failed: {}", outcome.figures.reasons());
                        }
                        let result = self.json(&run, &outcome);
                        all.push((label, result));
                    }
                }
            }
        }
        Ok(all)
    }

    /// A short run before gunicorn: there must be good responses, and a limit.
    pub(super) fn smoke(&self) -> io::Result<()> {
        for server in
            table::select(&["gunicorn_sync_2_4_2".to_owned()]).map_err(io::Error::other)?
        {
            let label = "sideman auto";
            let kind = Kind::Sideman;
            let run = Run { server, address: Address::Unix, kind, label, is_auto: true };
            let outcome = self.run(&run)?;
            if !outcome.figures.any_good() || outcome.log.source.is_empty() {
                let what = format!("scenario {NAME}: {}", self.line(&run, &outcome));
                return Err(io::Error::other(what));
            }
        }
        Ok(())
    }

    fn run(&self, run: &Run<'_>) -> io::Result<Outcome> {
        let Run { server, address, kind, is_auto, .. } = run;
        let pair = Pair { server, address: *address, kind: *kind, is_auto: *is_auto };
        let scenario = self.scenario(server);
        let (changes, length) = (server.changes, self.overload.length);
        let (done, log) = self.overload.run(&pair, &scenario, |process, began| {
            if changes {
                change(process, began, length);
            }
        })?;
        Ok(Outcome { figures: Figures::of(&scenario, &done), log })
    }

    fn scenario(&self, server: &AppServer) -> Scenario {
        Scenario {
            name: NAME,
            what: WHAT,
            workers: &[],
            rate: (server.capacity() * OVERLOAD) as u32,
            length: self.overload.length,
            lead: LEAD.min(self.overload.length / 4),
            patience: PATIENCE,
            connections: Connections::New,
            slow: 0,
            fault: None,
            slow_every: None,
            is_cached: false,
            target: Target::NoFailure,
        }
    }

    /// The limit, or those of the three thirds if there are more workers in the second one.
    fn limits(&self, run: &Run<'_>, log: &LimitLog) -> Vec<f64> {
        let part = |index: u32, count: u32| {
            log.median(
                self.overload.length / count * index + self.overload.length / count / 2,
                self.overload.length / count * (index + 1),
            )
        };
        match (run.kind == Kind::Sideman, run.server.changes) {
            (false, _) => Vec::new(),
            (true, false) => vec![part(0, 1)],
            (true, true) => vec![part(0, 3), part(1, 3), part(2, 3)],
        }
    }

    fn line(&self, run: &Run<'_>, Outcome { figures, log }: &Outcome) -> String {
        let limits = self.limits(run, log);
        let after = limits.first().map_or(f64::NAN, |limit| log.found_after(*limit));
        let limits: Vec<_> = limits.iter().map(f64::to_string).collect();
        let shown = |number: f64| if number.is_nan() { "-".into() } else { format!("{number:.1}") };
        // Two workers more for a third of the time.
        let more =
            if run.server.changes { 1.0 + 2.0 / 3.0 / f64::from(run.server.workers) } else { 1.0 };
        format!(
            "| {:<21} | {:<4} | {:<13} | {} | {:<8} | {:<10} | {:>7} |",
            run.server.name,
            run.address.name(),
            run.label,
            figures.under_overload(run.server.capacity() * more),
            limits.join(" "),
            log.source,
            if run.is_auto { shown(after) } else { "-".into() },
        )
    }

    fn json(&self, run: &Run<'_>, Outcome { figures, log }: &Outcome) -> Value {
        // All readings, for plots.
        let limits = log.readings.iter().map(|one| json!([one.at.as_secs_f64(), one.limit]));
        let limits: Value = limits.collect();
        json!({
            "application": run.server.name,
            "over": run.address.name(),
            "capacity": run.server.capacity(),
            "load": figures.json(),
            "limits": self.limits(run, log),
            "found_by": log.source,
            "limit": limits,
        })
    }
}

/// Adds two workers after a third of the time, and removes them after two thirds.
fn change(process: &AppProcess, began: Instant, length: Duration) {
    for (third, signal) in [(1, Signal::TTIN), (2, Signal::TTOU)] {
        thread::sleep((began + length / 3 * third).saturating_duration_since(Instant::now()));
        for _ in 0..2 {
            if let Err(error) = process.signal(signal) {
                eprintln!("load: gunicorn got no {signal:?}: {error}");
            }
            // Two equal signals at the same moment are one.
            thread::sleep(Duration::from_millis(20));
        }
    }
}
