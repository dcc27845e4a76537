//! The load: a bounded number of connections on one thread, for a bounded time.
//!
//! Without a rate each connection sends its next request when it has the response (a closed loop). With one, requests
//! are due at even distances; each takes a free connection, and its latency counts from when it was due: a server that
//! stands still is not spared the requests of that time.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinSet, LocalSet},
    time::{sleep, sleep_until, timeout},
};

use super::{
    connection::{Connection, Response},
    destination::Destination,
    failure::{Failure, FailureKind},
    page::Page,
    tally::Tally,
};

/// Timers count in milliseconds: so late, a request that waited for its time is not late.
const TIMER: Duration = Duration::from_millis(2);
/// So long after the end a request that was due is still sent: this process may be late, not the server.
const GRACE: Duration = Duration::from_secs(1);
/// What a connection waits after a failure, so that a server that refuses connections is not asked in a tight loop.
const BACKOFF: Duration = Duration::from_millis(100);

/// How hard and how long; every load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadPlan {
    pub(crate) connections: u32,
    pub(crate) length: Duration,
    /// Requests per second; `None` is a closed loop.
    pub(crate) rate: Option<u32>,
    /// How long a request may take.
    pub(crate) timeout: Duration,
}

/// What the load came to.
#[derive(Debug)]
pub(crate) struct LoadResult {
    /// One for each page.
    pub(crate) tallies: Vec<Tally>,
    /// Until the last response.
    pub(crate) elapsed: Duration,
    /// Connections that were opened.
    pub(crate) opened: u64,
}

/// What the connections share.
struct Shared {
    destination: Destination,
    pages: Vec<Page>,
    plan: LoadPlan,
    began: Instant,
    /// Requests that were begun, or taken by a connection that waits until they are due.
    taken: Cell<u64>,
    /// Open connections without a request, the last used one on top.
    idle: RefCell<Vec<Connection>>,
    opened: Cell<u64>,
    tallies: RefCell<Vec<Tally>>,
}

/// A request that is to be sent now.
struct Turn {
    number: u64,
    /// From when its latency counts.
    start: Instant,
}

/// Runs the load to its end.
pub(crate) async fn run(
    destination: Destination,
    pages: Vec<Page>,
    plan: LoadPlan,
) -> io::Result<LoadResult> {
    let tallies = RefCell::new(vec![Tally::default(); pages.len()]);
    let shared = Rc::new(Shared {
        destination,
        pages,
        plan,
        began: Instant::now(),
        taken: Cell::new(0),
        idle: RefCell::default(),
        opened: Cell::new(0),
        tallies,
    });
    let workers = async {
        let mut workers = JoinSet::new();
        for _ in 0..plan.connections {
            let shared = Rc::clone(&shared);
            workers.spawn_local(async move { shared.work().await });
        }
        while let Some(ended) = workers.join_next().await {
            ended.map_err(io::Error::other)?;
        }
        io::Result::Ok(())
    };
    LocalSet::new().run_until(workers).await?;
    shared.count_unsent();
    Ok(LoadResult {
        tallies: shared.tallies.take(),
        elapsed: shared.began.elapsed().max(plan.length),
        opened: shared.opened.get(),
    })
}

/// Requests a page once, for a first look.
pub(crate) async fn first(
    destination: &Destination,
    page: &Page,
    patience: Duration,
) -> Result<Response, Failure> {
    let exchange = async { destination.connect(0).await?.exchange(&page.request).await };
    timeout(patience, exchange).await.unwrap_or_else(|_| Err(timed_out(patience)))
}

// === impl LoadPlan ===

impl LoadPlan {
    /// How many requests are due in all; `None` in a closed loop.
    pub(crate) fn requests(&self) -> Option<u64> {
        self.rate.map(|rate| (f64::from(rate) * self.length.as_secs_f64()).ceil() as u64)
    }

    /// When the request with this number is due, from the beginning.
    fn due(rate: u32, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(rate))
    }
}

// === impl Shared ===

impl Shared {
    async fn work(&self) {
        while let Some(Turn { number, start }) = self.turn().await {
            let index = (number % self.pages.len().max(1) as u64) as usize;
            let Some(page) = self.pages.get(index) else { return };
            let patience = self.plan.timeout;
            let outcome = timeout(patience, self.exchange(page)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(timed_out(patience)));
            let latency = start.elapsed();
            let failed = outcome.is_err();
            if let Some(tally) = self.tallies.borrow_mut().get_mut(index) {
                match outcome {
                    Ok(response) => tally.response(&response, latency),
                    Err(failure) => tally.failure(failure, latency),
                }
            }
            if failed && self.plan.rate.is_none() {
                sleep(BACKOFF).await;
            }
        }
    }

    /// Waits until the next request is due; `None` when the time is over.
    async fn turn(&self) -> Option<Turn> {
        let elapsed = self.began.elapsed();
        let number = self.taken.get();
        let Some(rate) = self.plan.rate else {
            if elapsed >= self.plan.length {
                return None;
            }
            self.taken.set(number + 1);
            return Some(Turn { number, start: Instant::now() });
        };
        let offset = LoadPlan::due(rate, number);
        if offset >= self.plan.length || elapsed >= self.plan.length + GRACE {
            return None;
        }
        self.taken.set(number + 1);
        let due = self.began + offset;
        if due <= Instant::now() {
            return Some(Turn { number, start: due });
        }
        sleep_until(due.into()).await;
        let start = if due.elapsed() < TIMER { Instant::now() } else { due };
        Some(Turn { number, start })
    }

    async fn exchange(&self, page: &Page) -> Result<Response, Failure> {
        let mut connection = match self.idle() {
            Some(connection) => connection,
            None => {
                let number = self.opened.get();
                self.opened.set(number + 1);
                self.destination.connect(number).await?
            }
        };
        let response = connection.exchange(&page.request).await?;
        if response.head.keep_alive {
            self.idle.borrow_mut().push(connection);
        }
        Ok(response)
    }

    /// An idle connection that the server has not closed meanwhile.
    fn idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut connection) = idle.pop() {
            if connection.is_open() {
                return Some(connection);
            }
        }
        None
    }

    /// Counts the requests that were due before the end and found no free connection.
    fn count_unsent(&self) {
        let (Some(rate), Some(due)) = (self.plan.rate, self.plan.requests()) else { return };
        let mut tallies = self.tallies.borrow_mut();
        for number in self.taken.get()..due {
            let index = (number % self.pages.len().max(1) as u64) as usize;
            let waited = self.plan.length.saturating_sub(LoadPlan::due(rate, number));
            if let Some(tally) = tallies.get_mut(index) {
                tally.failure(Failure::new(FailureKind::NotSent, "no free connection"), waited);
            }
        }
    }
}

fn timed_out(patience: Duration) -> Failure {
    Failure::new(FailureKind::TimedOut, format!("no complete response within {patience:?}"))
}
