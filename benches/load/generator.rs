//! The load generator: kept-alive connections in a closed loop, on one thread.
//!
//! The caller's samples are taken while the load runs, at both ends of the measured window, so that
//! neither the start nor the end of the load is in the numbers.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    task::{JoinError, JoinSet, LocalSet},
    time::{sleep, timeout},
};

use crate::{
    client::{Ask, Client},
    options::Load,
};

/// How long the last answers may take once the load has ended.
const DRAIN: Duration = Duration::from_secs(5);

const STEP: Duration = Duration::from_millis(20);
/// How long it may take until each request was made once.
const LAP: Duration = Duration::from_secs(60);

/// What the connections ask for, each taking the next.
#[derive(Debug)]
pub(crate) struct Aim {
    pub(crate) address: SocketAddr,
    asks: Vec<Ask>,
    next: Cell<usize>,
}

/// The measured window.
#[derive(Debug)]
pub(crate) struct Measured<T> {
    /// Answers that were complete within the window.
    pub(crate) requests: u64,
    /// Bytes of bodies that came within the window.
    pub(crate) received: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) before: T,
    pub(crate) after: T,
    /// Requests answered since the start of the load, warm-up and drain included.
    pub(crate) answered: u64,
}

/// What the connections share.
#[derive(Debug, Default)]
struct Progress {
    stop: Cell<bool>,
    answered: Cell<u64>,
    received: Cell<u64>,
    measuring: Cell<bool>,
    nanoseconds: RefCell<Vec<u64>>,
}

// === impl Aim ===

impl Aim {
    /// Asks for these in turn.
    pub(crate) fn new(address: SocketAddr, asks: Vec<Ask>) -> Self {
        Self { address, asks, next: Cell::new(0) }
    }

    /// The first of all.
    pub(crate) fn first(&self) -> io::Result<&Ask> {
        self.asks.first().ok_or_else(|| io::Error::other("there is nothing to ask for"))
    }

    /// The next one but the first, until each was taken once.
    pub(crate) fn once(&self) -> Option<&Ask> {
        let next = self.next.get() + 1;
        self.next.set(next);
        self.asks.get(next)
    }

    /// The next one, over and over.
    fn next(&self) -> io::Result<&Ask> {
        let next = self.next.get();
        self.next.set(if next + 1 < self.asks.len() { next + 1 } else { 0 });
        self.asks.get(next).ok_or_else(|| io::Error::other("there is nothing to ask for"))
    }
}

/// Runs the load to its end. The first wrong or missing answer is the error.
pub(crate) async fn run<T>(
    aim: Aim,
    load: &Load,
    sample: impl Fn() -> io::Result<T>,
) -> io::Result<Measured<T>> {
    LocalSet::new().run_until(press(Rc::new(aim), load, sample)).await
}

/// The runtime the load runs on.
pub(crate) fn runtime() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

async fn press<T>(
    aim: Rc<Aim>,
    load: &Load,
    sample: impl Fn() -> io::Result<T>,
) -> io::Result<Measured<T>> {
    let progress = Rc::new(Progress::default());
    let mut connections = JoinSet::new();
    for _ in 0..load.connections {
        let client = Client::connect(aim.address).await?;
        connections.spawn_local(connection(client, Rc::clone(&aim), Rc::clone(&progress)));
    }
    hold(&mut connections, load.warmup).await?;
    // A server that keeps files is measured with what it keeps once it has seen them all.
    let lap = Instant::now();
    while progress.answered.get() < aim.asks.len() as u64 {
        hold(&mut connections, STEP).await?;
        if lap.elapsed() > LAP {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{} requests were not made once within {LAP:?}", aim.asks.len()),
            ));
        }
    }

    let (start, start_bytes) = (progress.answered.get(), progress.received.get());
    let before = sample()?;
    progress.measuring.set(true);
    let began = Instant::now();
    hold(&mut connections, load.window).await?;
    let elapsed = began.elapsed();
    progress.measuring.set(false);
    let requests = progress.answered.get() - start;
    let received = progress.received.get() - start_bytes;
    let after = sample()?;

    progress.stop.set(true);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            flatten(ended)?;
        }
        Ok(())
    };
    timeout(DRAIN, drained).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("a request had no answer {DRAIN:?} after the load ended"),
        ))
    })?;

    let mut nanoseconds = progress.nanoseconds.take();
    if requests == 0 || nanoseconds.is_empty() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "not one request was answered"));
    }
    Ok(Measured {
        requests,
        received,
        elapsed,
        p50: quantile(&mut nanoseconds, 0.50),
        p99: quantile(&mut nanoseconds, 0.99),
        before,
        after,
        answered: progress.answered.get(),
    })
}

/// One connection: the next request goes out when the answer to the last is complete.
async fn connection(mut client: Client, aim: Rc<Aim>, progress: Rc<Progress>) -> io::Result<()> {
    while !progress.stop.get() {
        let sent = Instant::now();
        client.get(aim.next()?, &progress.received).await?;
        progress.answered.set(progress.answered.get() + 1);
        if progress.measuring.get() {
            let nanoseconds = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            progress.nanoseconds.borrow_mut().push(nanoseconds);
        }
    }
    Ok(())
}

/// Lets the load go on for `duration`; a connection that ends before is an error.
async fn hold(connections: &mut JoinSet<io::Result<()>>, duration: Duration) -> io::Result<()> {
    tokio::select! {
        Some(ended) = connections.join_next() => flatten(ended),
        () = sleep(duration) => Ok(()),
    }
}

pub(crate) fn flatten(ended: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// The value that a share of `part` of the values does not exceed; `values` is not empty.
pub(crate) fn quantile(values: &mut [u64], part: f64) -> Duration {
    let rank = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len());
    let (_, value, _) = values.select_nth_unstable(rank - 1);
    Duration::from_nanos(*value)
}
