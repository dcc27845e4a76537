//! The table of scenarios: the disturbance, its duration, and the required result of Sideman. Data only.

use std::time::Duration;

/// Disturbances of the application and the clients for some seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The options for gunicorn's workers; together they serve four requests at a time.
    pub(crate) workers: &'static [&'static str],
    /// Requests per second, evenly spaced, independent of earlier requests.
    pub(crate) rate: u32,
    pub(crate) length: Duration,
    /// Requests that end sooner are not counted; with zero every request of the load is.
    pub(crate) lead: Duration,
    /// How long a client waits before it closes its connection.
    pub(crate) patience: Duration,
    pub(crate) connections: Connections,
    /// The number of slow uploads, and of slow downloads.
    pub(crate) slow: u32,
    pub(crate) fault: Option<Fault>,
    /// Every n-th request is for the slow view of `auto/app.py`.
    pub(crate) slow_every: Option<u32>,
    /// Whether servers have a cache, and pages may be stored for a second.
    pub(crate) is_cached: bool,
    pub(crate) target: Target,
}

/// The connections of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// One for each.
    New,
    /// A new one for every other request, and keep-alive ones for the rest, like load balancers.
    Mixed,
}

/// The repeated disturbance of gunicorn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) first: Duration,
    pub(crate) every: Duration,
    pub(crate) kind: FaultKind,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum FaultKind {
    /// SIGKILL for all processes, and a start after this delay.
    Kill { away: Duration },
    /// SIGHUP.
    Reload,
}

/// The required result of Sideman.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// No request fails, and p99 is at most this number of milliseconds.
    P99 { ms: f64 },
    /// At least this number of successful responses per second, with a p50 of at most this number of milliseconds.
    Useful { least: f64, p50_ms: f64 },
    /// No request fails.
    NoFailure,
}

const SYNC: &[&str] = &["--workers", "4"];
const THREADS: &[&str] = &["--worker-class", "gthread", "--workers", "2", "--threads", "2"];

/// Every scenario, in the order in which they run.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "slow",
        what: "100 slow uploads and 100 slow downloads beside 20 requests/s",
        workers: SYNC,
        rate: 20,
        length: Duration::from_secs(10),
        lead: Duration::ZERO,
        patience: Duration::from_secs(5),
        connections: Connections::New,
        slow: 100,
        fault: None,
        slow_every: None,
        is_cached: false,
        target: Target::P99 { ms: 60.0 },
    },
    Scenario {
        name: "overload",
        what: "240 requests/s where 80 can be done, clients that leave after 2 s",
        workers: SYNC,
        rate: 240,
        length: Duration::from_secs(15),
        lead: Duration::from_secs(3),
        patience: Duration::from_secs(2),
        connections: Connections::New,
        slow: 0,
        fault: None,
        slow_every: None,
        is_cached: false,
        target: Target::Useful { least: 76.0, p50_ms: 150.0 },
    },
    Scenario {
        name: "restart",
        what: "gunicorn killed every 4 s and started 1 s later, 20 requests/s",
        workers: SYNC,
        rate: 20,
        length: Duration::from_secs(16),
        lead: Duration::ZERO,
        patience: Duration::from_secs(15),
        connections: Connections::Mixed,
        slow: 0,
        fault: Some(Fault {
            first: Duration::from_secs(1),
            every: Duration::from_secs(4),
            kind: FaultKind::Kill { away: Duration::from_secs(1) },
        }),
        slow_every: None,
        is_cached: false,
        target: Target::NoFailure,
    },
    Scenario {
        name: "hup",
        what: "SIGHUP to gunicorn (sync) every 2 s, 40 requests/s",
        workers: SYNC,
        rate: 40,
        length: Duration::from_secs(10),
        lead: Duration::ZERO,
        patience: Duration::from_secs(15),
        connections: Connections::Mixed,
        slow: 0,
        fault: Some(HUP),
        slow_every: None,
        is_cached: false,
        target: Target::NoFailure,
    },
    Scenario {
        name: "hup_threads",
        what: "SIGHUP to gunicorn (gthread, kept connections) every 2 s, 40 requests/s",
        workers: THREADS,
        rate: 40,
        length: Duration::from_secs(10),
        lead: Duration::ZERO,
        patience: Duration::from_secs(15),
        connections: Connections::Mixed,
        slow: 0,
        fault: Some(HUP),
        slow_every: None,
        is_cached: false,
        target: Target::NoFailure,
    },
    Scenario {
        name: "cached",
        what: "gunicorn killed for 10 s, 200 requests/s for a page that is stored for 1 s",
        workers: SYNC,
        rate: 200,
        length: Duration::from_secs(15),
        lead: Duration::ZERO,
        // Nobody waits for the application.
        patience: Duration::from_secs(1),
        connections: Connections::Mixed,
        slow: 0,
        fault: Some(Fault {
            first: Duration::from_secs(2),
            every: Duration::from_secs(20),
            kind: FaultKind::Kill { away: Duration::from_secs(10) },
        }),
        slow_every: None,
        is_cached: true,
        target: Target::NoFailure,
    },
];

const HUP: Fault =
    Fault { first: Duration::from_secs(1), every: Duration::from_secs(2), kind: FaultKind::Reload };

/// The scenarios with these names, in the table's order; all of them for `all`. `others` are the names and
/// descriptions of scenarios that are not in this table.
pub(crate) fn select(names: &[String], others: &[(&str, &str)]) -> Result<Vec<Scenario>, String> {
    let all = || SCENARIOS.iter().map(|one| (one.name, one.what)).chain(others.iter().copied());
    let known = |name: &&String| *name == "all" || all().any(|(one, _)| one == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known = all().map(|(name, what)| format!("\n  {name:<12} {what}"));
        return Err(format!(
            "there is no scenario `{unknown}`; besides `all` there are{}",
            known.collect::<String>()
        ));
    }
    let asked =
        |scenario: &Scenario| names.iter().any(|name| name == "all" || name == scenario.name);
    Ok(SCENARIOS.iter().filter(|scenario| asked(scenario)).copied().collect())
}

// === impl Scenario ===

impl Scenario {
    /// The scenario shortened to a second or two, for a check that everything works.
    pub(crate) fn smoke(self) -> Self {
        Self {
            length: Duration::from_secs(1),
            lead: Duration::ZERO,
            slow: self.slow.min(2),
            rate: self.rate.min(20),
            fault: self.fault.map(|fault| Fault { first: Duration::from_millis(200), ..fault }),
            ..self
        }
    }
}
