//! The table of cases: a scenario before an application server. Data only.

use std::time::Duration;

use super::super::app_server::{AppServer, MANY, VIEW, gunicorn, waitress};

/// A scenario before one application server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) scenario: &'static str,
    pub(super) server: AppServer,
    /// The load, relative to what the application can handle.
    pub(super) overload: f64,
    /// Every n-th request is for the view of 5 s.
    pub(super) slow_every: Option<u32>,
    /// Whether the application takes ten times as long in the second third of the time.
    pub(super) slows_down: bool,
    /// How long a client waits.
    pub(super) patience: Duration,
}

/// The scenarios, with descriptions.
pub(in super::super) const SCENARIOS: [(&str, &str); 3] = [
    (
        MIXED_VIEWS,
        "views of 5 ms and of 5 s, 1.5 to 2 times the load that the application can handle",
    ),
    (SLOW_PHASE, "twice the load, and an application that is 10 times as slow in the second third"),
    (ONE_WORKER, "3 times the load before an application with one worker"),
];
const MIXED_VIEWS: &str = "mixed_views";
const SLOW_PHASE: &str = "slow_phase";
const ONE_WORKER: &str = "one_worker";

/// The time that the slow view takes.
const SLOW_VIEW: Duration = Duration::from_secs(5);
const FAST_VIEW: Duration = Duration::from_millis(5);
/// Longer than the slow view takes.
const PATIENT: Duration = Duration::from_secs(10);
const IMPATIENT: Duration = Duration::from_secs(2);

const SYNC_1: AppServer =
    gunicorn("gunicorn_sync_1", &["gunicorn", "--workers=1", "app:application"], 1);
const SYNC_4: AppServer =
    gunicorn("gunicorn_sync_4", &["gunicorn", "--workers=4", "app:application"], 4);
const GEVENT_2: AppServer = gunicorn(
    "gunicorn_gevent_2",
    &["gunicorn", "--worker-class=gevent", "--workers=2", "app:application"],
    MANY,
);
const WAITRESS_1: AppServer =
    waitress("waitress_1", &["waitress-serve", "--threads=1", "--no-expose-tracebacks"], 1);
const WAITRESS_4: AppServer =
    waitress("waitress_4", &["waitress-serve", "--threads=4", "--no-expose-tracebacks"], 4);

/// Every case, in the order in which they run.
pub(super) const CASES: [Case; 7] = [
    mixed_views(SYNC_4, 100, 2.0),
    mixed_views(WAITRESS_4, 100, 2.0),
    // It works on many requests at a time, so it needs many slow ones to be busy.
    mixed_views(GEVENT_2, 10, 1.5),
    slow_phase(SYNC_4),
    slow_phase(WAITRESS_4),
    one_worker(SYNC_1),
    one_worker(WAITRESS_1),
];

const fn mixed_views(server: AppServer, slow_every: u32, overload: f64) -> Case {
    Case {
        scenario: MIXED_VIEWS,
        server: AppServer { view: FAST_VIEW, ..server },
        overload,
        slow_every: Some(slow_every),
        slows_down: false,
        patience: PATIENT,
    }
}

const fn slow_phase(server: AppServer) -> Case {
    Case {
        scenario: SLOW_PHASE,
        server: AppServer { view: VIEW, ..server },
        overload: 2.0,
        slow_every: None,
        slows_down: true,
        patience: IMPATIENT,
    }
}

const fn one_worker(server: AppServer) -> Case {
    Case { scenario: ONE_WORKER, overload: 3.0, slows_down: false, ..slow_phase(server) }
}

/// The cases of these scenarios, before the servers whose name begins with one of `applications`, or before all.
pub(super) fn select(scenarios: &[String], applications: &[String]) -> Vec<Case> {
    let chosen = |case: &&Case| {
        scenarios.iter().any(|name| name == case.scenario)
            && (applications.is_empty()
                || applications.iter().any(|name| case.server.name.starts_with(name.as_str())))
    };
    CASES.iter().filter(chosen).copied().collect()
}

// === impl Case ===

impl Case {
    /// Requests per second that the application can respond to.
    pub(super) fn capacity(&self) -> f64 {
        let slow = self.slow_every.map_or(0.0, |every| 1.0 / f64::from(every));
        let view = self.server.view.as_secs_f64();
        let mean = slow * SLOW_VIEW.as_secs_f64() + (1.0 - slow) * view;
        f64::from(self.server.workers) / mean
    }
}
