//! User-space instructions of a request, counted by callgrind: a figure that is the same on a busy
//! machine, compared with a committed baseline (README.md, "Instructions").

mod baseline;
mod callgrind;
mod cases;

use std::{io, time::Duration};

use tokio::{runtime::Runtime, time::timeout};

use self::{
    baseline::{Baseline, Change},
    callgrind::{Counter, Valgrind},
    cases::Case,
};
use crate::{
    client::{Ask, Client},
    endpoint::Door,
    generator,
    machine::Machine,
    measure::all_logged,
    nginx,
    options::Options,
    origin::Origin,
    probe::{Probed, probe},
    rows::{Row, Via},
    server::{self, Kind, Server},
    setup::{IN_FLIGHT, Setup},
    site::{Scale, Site},
    skips::Skips,
};

/// The name of the skipped run.
const WHAT: &str = "the count of instructions";
/// Time limit for the requests of one window.
const WINDOW_TIMEOUT: Duration = Duration::from_secs(120);

/// Number of requests.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Before the first window.
    warmup: u32,
    /// In each window.
    requests: u32,
    windows: u32,
}

const FULL: Extent = Extent { warmup: 1_000, requests: 1_000, windows: 5 };
const SMOKE: Extent = Extent { warmup: 5, requests: 10, windows: 1 };

/// The pages are compressed by neither server: a coding takes many times the instructions of all else.
const UNCOMPRESSED: &str = "COMPRESSION__RESPONSES=false";

/// Shared by all counts.
struct Stage {
    valgrind: Valgrind,
    site: Site,
    origin: Origin,
    /// Settings of Sideman besides the usual ones.
    settings: Vec<String>,
}

/// Counts each case for Sideman, and for nginx if it is installed, prints the table, and compares
/// Sideman's counts with the baseline, or writes them there.
///
/// # Errors
/// A row takes more instructions than the baseline allows.
pub(crate) fn compare(options: &Options) -> io::Result<()> {
    self_check()?;
    let mut skips = Skips::default();
    let Some(valgrind) = find(&mut skips) else { return skips.finish() };
    let baseline = if options.update { None } else { Some(Baseline::read()?) };
    let taken = taken(&valgrind)?;
    let mut stage = Stage::new(valgrind, Scale::Full)?;
    stage.settings.extend(routes(options.routes));
    let Extent { warmup, requests, windows } = FULL;
    let mut nginx = installed_nginx().filter(|_| options.routes == 0);
    println!(
        "{taken}\nbeside: {}\nuser-space instructions of a request: one connection, one worker, the \
         lowest of {windows} windows of {requests} requests after {warmup}\n\n\
         {:<26} {:>9} {:>9} {:>6} {:>9} {:>8}",
        nginx.as_deref().unwrap_or("nginx is not installed"),
        "row",
        "sideman",
        "nginx",
        "ratio",
        "baseline",
        "change"
    );

    let mut counts = Vec::new();
    for case in cases::CASES {
        let name = case.row.name;
        let ours = stage.count(Kind::Sideman, case, FULL)?;
        let mut theirs = None;
        if nginx.is_some() {
            match stage.count(Kind::Nginx, case, FULL) {
                Ok(count) => theirs = Some(count),
                Err(error) => {
                    eprintln!("load: nginx is left out from here on: {error}");
                    nginx = None;
                }
            }
        }
        let known = baseline.as_ref().and_then(|baseline| baseline.count(name));
        println!("{}", line(name, ours, theirs, known));
        counts.push((name.to_owned(), ours));
    }

    if options.routes > 0 {
        println!("\nwith {} routes that no request matches", options.routes);
        return skips.finish();
    }
    match baseline {
        None => {
            let path = Baseline::new(&taken, counts).write()?;
            println!("\nwritten to {}: commit it", path.display());
        }
        Some(baseline) if !baseline.fits_machine() => skips.add(
            "the comparison with the baseline",
            format!("it was taken on {}", baseline.architecture),
        ),
        Some(baseline) => {
            let lower = baseline.judge(&counts, &taken).map_err(io::Error::other)?;
            println!("\nno row takes more than the baseline and {} %", baseline::TOLERANCE_PERCENT);
            if !lower.is_empty() {
                println!("lower, record it with {}: {}", baseline::UPDATE, lower.join(", "));
            }
        }
    }
    skips.finish()
}

/// Counts a few requests of two cases, so that the launcher and the configurations keep working.
pub(crate) fn smoke(skips: &mut Skips) -> io::Result<()> {
    self_check()?;
    Baseline::read()?;
    let Some(valgrind) = find(skips) else { return Ok(()) };
    let stage = Stage::new(valgrind, Scale::Smoke)?;
    let nginx = installed_nginx().map(|_| Kind::Nginx);
    for kind in std::iter::once(Kind::Sideman).chain(nginx) {
        for case in cases::CASES.first().into_iter().chain(cases::CASES.last()) {
            stage.count(kind, case, SMOKE)?;
        }
        println!("{kind}: instructions counted");
    }
    Ok(())
}

/// Checks the parsers of callgrind's output and of the baseline, and the request heads.
fn self_check() -> io::Result<()> {
    callgrind::self_check()?;
    baseline::self_check()?;
    cases::self_check()
}

fn find(skips: &mut Skips) -> Option<Valgrind> {
    Valgrind::find().map_err(|error| skips.add(WHAT, error)).ok()
}

/// The version of nginx, if it is installed.
fn installed_nginx() -> Option<String> {
    nginx::find().ok()?;
    nginx::version().ok()
}

/// Settings of named routes that no request of a case matches: half of them by host, half by path.
fn routes(count: usize) -> Vec<String> {
    let route = |index: usize| match index % 2 {
        0 => [
            format!("ROUTE__R{index}__PATH=/route/{index}/"),
            format!("ROUTE__R{index}__STREAM=both"),
        ],
        _ => [
            format!("ROUTE__R{index}__HOST=site{index}.example.org"),
            format!("ROUTE__R{index}__STREAM=both"),
        ],
    };
    (0..count).flat_map(route).collect()
}

/// The versions that the counts depend on, besides the source.
fn taken(valgrind: &Valgrind) -> io::Result<String> {
    let sideman = Kind::Sideman.version()?;
    Ok(format!("{sideman}, {}, {}", valgrind.version, Machine::look()?.line()))
}

fn line(name: &str, ours: u64, theirs: Option<u64>, known: Option<u64>) -> String {
    let none = || "-".to_owned();
    let ratio = theirs.map_or_else(none, |theirs| format!("{:.2}", ours as f64 / theirs as f64));
    let change = known.map_or_else(none, |known| Change::new(known, ours).to_string());
    let theirs = theirs.map_or_else(none, |theirs| theirs.to_string());
    let known = known.map_or_else(none, |known| known.to_string());
    format!("{name:<26} {ours:>9} {theirs:>9} {ratio:>6} {known:>9} {change:>8}")
}

// === impl Stage ===

impl Stage {
    fn new(valgrind: Valgrind, scale: Scale) -> io::Result<Self> {
        let rows: Vec<&Row> = cases::CASES.iter().map(|case| &case.row).collect();
        let site = Site::make(&rows, scale)?;
        let origin = Origin::start(site.directory())?;
        Ok(Self { valgrind, site, origin, settings: vec![UNCOMPRESSED.into()] })
    }

    /// The instructions of one request, from a server started for it.
    ///
    /// One connection in a closed loop: each request then takes exactly one turn of the server's
    /// event loop. With more connections it is chance how many requests share a turn.
    fn count(&self, kind: Kind, case: &Case, extent: Extent) -> io::Result<u64> {
        self.count_once(kind, case, extent).map_err(|error| {
            io::Error::new(error.kind(), format!("{kind}, row {}: {error}", case.row.name))
        })
    }

    fn count_once(&self, kind: Kind, case: &Case, extent: Extent) -> io::Result<u64> {
        let directory = self.site.server_directory()?;
        let launcher = self.valgrind.launcher(&directory);
        let setup = Setup {
            listen: server::anywhere(),
            tls: None,
            admin: server::anywhere(),
            application: &self.origin.application(Via::Http),
            root: &self.site.root(),
            directory: &directory,
            workers: 1,
            connections: 1,
            is_cached: false,
            in_flight: IN_FLIGHT,
            settings: &self.settings,
            launcher: &launcher,
        };
        let server = Server::start(kind, &setup)?;
        let runtime = generator::runtime()?;
        let door = Door::plain(server.address);
        let mut logged = 0;
        let mut asks = Vec::new();
        for get in case.row.gets() {
            let probed: Probed = runtime.block_on(probe(&door, get, Via::Http, &self.site))?;
            logged += probed.requests;
            asks.extend(probed.asks.iter().map(|ask| case.ask(get, ask, server.address)));
        }
        let ask = asks.first().ok_or_else(|| io::Error::other("there is nothing to request"))?;
        let mut client = runtime.block_on(Client::connect(&door))?;

        let mut counter = Counter::new(&self.valgrind, &directory, server.process());
        counter.start()?;
        send(&runtime, &mut client, ask, extent.warmup)?;
        let mut lowest = u64::MAX;
        for _ in 0..extent.windows {
            counter.zero()?;
            send(&runtime, &mut client, ask, extent.requests)?;
            // Timers within a window can only add instructions.
            lowest = lowest.min(counter.read()? / u64::from(extent.requests));
        }
        drop(client);
        if lowest == 0 {
            return Err(io::Error::other("callgrind counted no instructions"));
        }
        logged += u64::from(extent.warmup + extent.windows * extent.requests);
        all_logged(server.stop()?, logged)?;
        Ok(lowest)
    }
}

/// Sends this number of requests, each when the response to the last is complete.
fn send(runtime: &Runtime, client: &mut Client, ask: &Ask, requests: u32) -> io::Result<()> {
    let received = std::cell::Cell::new(0);
    let all = async {
        for _ in 0..requests {
            client.get(ask, &received).await?;
        }
        Ok(())
    };
    runtime.block_on(async { timeout(WINDOW_TIMEOUT, all).await }).unwrap_or_else(|_| {
        let what = format!("{requests} requests took longer than {WINDOW_TIMEOUT:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    })
}
