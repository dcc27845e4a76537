//! `slowloris`: thousands of slow clients beside normal ones, whose requests should hardly be slower.
//!
//! The same load runs twice on one server: alone, and then beside the `swarm`. The server's memory is read
//! before and meanwhile.

mod slow_clients;

use std::{
    io,
    net::SocketAddr,
    sync::{
        atomic::Ordering::Relaxed,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{task::LocalSet, time::sleep};

use self::slow_clients::Swarm;
use super::{
    application,
    figures::Figures,
    pace,
    plan::{Connections, Scenario, Target},
};
use crate::{
    generator,
    proc::Tree,
    server::{self, Kind, Server},
    setup::{Application, IN_FLIGHT, Setup},
    site::Site,
};

pub(super) const NAME: &str = "slowloris";
pub(super) const WHAT: &str =
    "5,000 connections dripping heads and bodies and reading slowly, beside 200 requests/s";
/// Seconds beside the slow clients; before them it is two thirds of that.
pub(super) const LENGTH: Duration = Duration::from_secs(12);
/// `p99` may be this many times that of the undisturbed load.
const ASKED: f64 = 2.0;
const RATE: u32 = 200;
/// Time for the slow clients to arrive, and then to settle.
const ARRIVAL: Duration = Duration::from_secs(5);
const SETTLING: Duration = Duration::from_secs(1);
/// Reading it walks the server's page tables, which should not affect the latencies.
const MEMORY_EVERY: Duration = Duration::from_secs(2);
/// Descriptors of this process besides the slow connections, and of a server.
const OTHERS: u64 = 2_000;

/// The size of the scenario.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) slow: u32,
    pub(super) length: Duration,
    pub(super) arrival: Duration,
    pub(super) workers: u32,
}

/// The result of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    server: Kind,
    slow: u32,
    alone: Figures,
    beside: Figures,
    /// PSS in KiB.
    memory_before: u64,
    memory_peak: u64,
    /// Slow connections: maximum at a time, opened, closed by the server, readers served.
    open: u32,
    opened: u32,
    cut: u32,
    served: u32,
}

// === impl Extent ===

impl Extent {
    /// The requested size, with the time that this number of slow clients needs to arrive.
    pub(super) fn new(slow: u32, length: Duration, workers: u32) -> Self {
        Self { slow, length, arrival: ARRIVAL, workers }
    }
}

/// Runs it once.
pub(super) fn run(
    kind: Kind,
    site: &Site,
    application: SocketAddr,
    extent: Extent,
) -> io::Result<Outcome> {
    room_for(extent.slow)?;
    let (directory, root) = (site.server_directory()?, site.root());
    let setup = Setup {
        listen: server::anywhere(),
        tls: None,
        admin: server::anywhere(),
        application: &Application::Http(application),
        root: &root,
        directory: &directory,
        workers: extent.workers,
        connections: extent.slow + 1_000,
        is_cached: false,
        in_flight: IN_FLIGHT,
        settings: &[],
        launcher: &[],
    };
    let server = Server::start(kind, &setup)?;
    let file = site.urls("/static/1m.@.bin")?.first().cloned().unwrap_or_default();
    let paths = [file, application::LARGE_PATH.to_owned()];
    let tree = server.tree()?;

    let tasks = LocalSet::new();
    let load = async {
        let alone = paced(extent.length * 2 / 3);
        let before = pace::run(server.address, &alone, Instant::now()).await;
        let memory_before = tree.memory()?;
        let swarm = Swarm::start(server.address, extent.slow, extent.arrival, &paths)?;
        let watch = Watch::start(&tree)?;
        sleep(extent.arrival + SETTLING).await;
        let beside = paced(extent.length);
        let after = pace::run(server.address, &beside, Instant::now()).await;
        let memory_peak = watch.peak(&tree)?;
        let counts = swarm.counts();
        Ok(Outcome {
            server: kind,
            slow: extent.slow,
            alone: Figures::of(&alone, &before),
            beside: Figures::of(&beside, &after),
            memory_before,
            memory_peak,
            open: counts.open.load(Relaxed),
            opened: counts.opened.load(Relaxed),
            cut: counts.cut.load(Relaxed),
            served: counts.served.load(Relaxed),
        })
    };
    let outcome: io::Result<Outcome> = generator::runtime()?.block_on(tasks.run_until(load));
    drop(tasks);
    let outcome = outcome?;
    server.end()?;
    Ok(outcome)
}

// === impl Outcome ===

/// The table's head; it and the lines are Markdown.
pub(super) const HEADING: &str = "\
| server        | slow  | load   | requests | lost | p50 ms | p99 ms | MiB (PSS) | p99 <= 2 x  |
|---------------|------:|--------|---------:|-----:|-------:|-------:|----------:|-------------|";

impl Outcome {
    /// Two lines of the table, and the counters of the slow clients.
    pub(super) fn said(&self) -> String {
        let line = |slow, load, figures: &Figures, memory: u64, verdict: &str| {
            format!(
                "| {:<13} | {slow:>5} | {load:<6} | {:>8} | {:>4} | {:>6.2} | {:>6.2} | {:>9.1} | {verdict:<11} |\n",
                // A name pads, its `Display` does not.
                self.server.to_string(),
                figures.requests,
                figures.lost(),
                figures.p50_ms,
                figures.p99_ms,
                memory as f64 / 1024.0
            )
        };
        let met = self.ratio() <= ASKED && self.beside.lost() == 0;
        let verdict = format!("{:.2}: {}", self.ratio(), if met { "met" } else { "no" });
        let mut text = line(0, "alone", &self.alone, self.memory_before, "");
        text += &line(self.slow, "beside", &self.beside, self.memory_peak, &verdict);
        let Self { server, open, opened, cut, served, .. } = self;
        text += &format!(
            "{server}: {opened} slow connections opened, {cut} closed by the server, {served} readers served, \
             {open} open at the end\n"
        );
        for (load, figures) in [("alone", &self.alone), ("beside", &self.beside)] {
            if !figures.reasons().is_empty() {
                text += &format!("{server}, {load}, failed: {}\n", figures.reasons());
            }
        }
        text
    }

    /// All figures, for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "slow": self.slow,
            "alone": self.alone.json(),
            "beside": self.beside.json(),
            "p99_ratio": self.ratio(),
            "memory_before_kib": self.memory_before,
            "memory_peak_kib": self.memory_peak,
            "slow_open": self.open,
            "slow_opened": self.opened,
            "slow_cut": self.cut,
            "slow_readers_served": self.served,
        })
    }

    /// Whether there was a successful response in both parts, and a slow client in the second.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.alone.any_good() && self.beside.any_good() && self.opened > 0 && self.served > 0 {
            return Ok(());
        }
        Err(io::Error::other(format!("scenario {NAME} shows nothing\n{}", self.said())))
    }

    fn ratio(&self) -> f64 {
        self.beside.p99_ms / self.alone.p99_ms
    }
}

/// Reads the server's memory at intervals.
struct Watch {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<io::Result<u64>>,
}

// === impl Watch ===

impl Watch {
    fn start(tree: &Tree) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let tree = tree.clone();
        let thread = thread::Builder::new().name("memory".into()).spawn(move || {
            let mut peak = 0;
            while stopped.recv_timeout(MEMORY_EVERY) == Err(RecvTimeoutError::Timeout) {
                peak = tree.memory()?.max(peak);
            }
            Ok(peak)
        })?;
        Ok(Self { stop, thread })
    }

    /// The highest value, including the current one.
    fn peak(self, tree: &Tree) -> io::Result<u64> {
        let now = tree.memory()?;
        drop(self.stop);
        let seen = self.thread.join().map_err(|_| io::Error::other("a thread panicked"))??;
        Ok(now.max(seen))
    }
}

/// The normal load: every other request on a keep-alive connection.
fn paced(length: Duration) -> Scenario {
    Scenario {
        name: NAME,
        what: WHAT,
        workers: &[],
        rate: RATE,
        length,
        lead: Duration::ZERO,
        patience: Duration::from_secs(5),
        connections: Connections::Mixed,
        slow: 0,
        fault: None,
        slow_every: None,
        is_cached: false,
        target: Target::NoFailure,
    }
}

/// Raises the descriptor limit for this number of connections here, and in the servers, which inherit it.
fn room_for(slow: u32) -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    let needed = u64::from(slow) * 2 + OTHERS;
    let most = limit.maximum.unwrap_or(u64::MAX);
    if needed > most {
        return Err(io::Error::other(format!(
            "{slow} slow connections need {needed} descriptors, and {most} are allowed (ulimit -Hn): \
             ask for fewer with --slow"
        )));
    }
    limit.current = Some(limit.current.unwrap_or(most).max(needed));
    Ok(setrlimit(Resource::Nofile, limit)?)
}
