//! The load of a scenario: requests at a steady pace, independent of responses (an open loop).
//!
//! The time of a request is measured from when it was due, so a delay of the server or of the
//! generator counts for all requests of that time.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout_at},
};

use super::plan::{Connections, Scenario};
use crate::{
    client::{self, Client},
    endpoint::Door,
};

/// The body of app.py's response.
const PAGE: usize = 1 << 10;

/// Timers count in milliseconds.
const TIMER: Duration = Duration::from_millis(2);

/// A completed request.
#[derive(Debug)]
pub(crate) struct Done {
    /// When it ended, from the beginning of the load.
    pub(crate) at: Duration,
    /// Measured from when it was due.
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
    /// Whether it was for the slow view.
    pub(crate) is_slow: bool,
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200 with the whole page.
    Useful,
    /// 503.
    Refused,
    /// The client's timeout expired first.
    GaveUp,
    /// Another response, or none.
    Failed(String),
}

/// Shared by the requests.
struct Load {
    door: Door,
    request: Vec<u8>,
    slow_request: Vec<u8>,
    /// Idle connections.
    kept: RefCell<Vec<Client>>,
}

/// Runs the load from `began` on, until its last request has ended.
pub(crate) async fn run(address: SocketAddr, scenario: &Scenario, began: Instant) -> Vec<Done> {
    let load = Rc::new(Load {
        door: Door::plain(address),
        request: client::request(address, if scenario.is_cached { "/cached" } else { "/" }, ""),
        slow_request: client::request(address, "/slow", ""),
        kept: RefCell::default(),
    });
    let mut requests = JoinSet::new();
    let count = scenario.length.as_secs_f64() * f64::from(scenario.rate);
    for index in 0..count as u32 {
        let due = began + Duration::from_secs(1) * index / scenario.rate;
        sleep_until(due.into()).await;
        // The timer's own delay is not the server's.
        let due = if due.elapsed() < TIMER { Instant::now() } else { due };
        let mixed = scenario.connections == Connections::Mixed;
        let keep = mixed && index % 2 == 1;
        let is_slow = scenario.slow_every.is_some_and(|every| index % every == 0);
        let (load, patience) = (Rc::clone(&load), scenario.patience);
        requests.spawn_local(async move {
            let outcome = load.outcome(keep, is_slow, due + patience).await;
            Done { at: began.elapsed(), took: due.elapsed(), outcome, is_slow }
        });
    }
    requests.join_all().await
}

// === impl Load ===

impl Load {
    async fn outcome(&self, keep: bool, is_slow: bool, deadline: Instant) -> Outcome {
        match timeout_at(deadline.into(), self.call(keep, is_slow)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(error.to_string()),
            Err(_) => Outcome::GaveUp,
        }
    }

    async fn call(&self, keep: bool, is_slow: bool) -> io::Result<Outcome> {
        let mut client = match keep.then(|| self.idle()).flatten() {
            Some(client) => client,
            None => Client::connect(&self.door).await?,
        };
        let request = if is_slow { &self.slow_request } else { &self.request };
        let called = client.call(request).await?;
        if keep && called.kept {
            self.kept.borrow_mut().push(client);
        }
        Ok(match called.status {
            200 if called.length == PAGE => Outcome::Useful,
            503 => Outcome::Refused,
            status => Outcome::Failed(format!("status {status} with {} bytes", called.length)),
        })
    }

    /// An idle connection that the server has not closed meanwhile.
    fn idle(&self) -> Option<Client> {
        let mut kept = self.kept.borrow_mut();
        while let Some(mut client) = kept.pop() {
            if client.is_open() {
                return Some(client);
            }
        }
        None
    }
}
