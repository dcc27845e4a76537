//! The load on cold files: every connection takes the next file until each was requested once.
//!
//! Beside it, other connections may request a warm file at a steady pace; then their latencies
//! are the result.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval_at, timeout},
};

use crate::{
    client::{Ask, Client},
    generator::{Measured, flatten, quantile},
    load_target::Aim,
};

/// Time between two requests beside the sweep, by connections that take turns: enough connections that a
/// request waits for the server and hardly ever for the one before it.
const PACE: Duration = Duration::from_millis(1);
const BESIDE: u32 = 32;
const LIMIT: Duration = Duration::from_secs(120);

/// Shared by the connections.
#[derive(Debug, Default)]
struct Progress {
    done: Cell<bool>,
    /// Requests outside the measurement, which opened the connections.
    first: Cell<u64>,
    swept: Cell<u64>,
    received: Cell<u64>,
    nanoseconds: RefCell<Vec<u64>>,
    beside: RefCell<Vec<u64>>,
}

/// Requests everything except the first of `aim`, once, with this number of connections. Each of them, and
/// each connection beside, has made a request before the first sample is taken.
pub(crate) async fn run<T>(
    aim: Aim,
    beside: Option<Ask>,
    connections: u32,
    sample: impl Fn() -> io::Result<T>,
) -> io::Result<Measured<T>> {
    let tasks = LocalSet::new();
    let swept = tasks.run_until(sweep(Rc::new(aim), beside, connections, sample));
    timeout(LIMIT, swept).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the cold files had not all come after {LIMIT:?}"),
        ))
    })
}

async fn sweep<T>(
    aim: Rc<Aim>,
    beside: Option<Ask>,
    connections: u32,
    sample: impl Fn() -> io::Result<T>,
) -> io::Result<Measured<T>> {
    let progress = Rc::new(Progress::default());
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(acquainted(&aim, aim.first()?, &progress).await?);
    }
    let mut steady_clients = Vec::new();
    if let Some(ask) = &beside {
        for _ in 0..BESIDE {
            steady_clients.push((acquainted(&aim, ask, &progress).await?, ask.clone()));
        }
    }

    progress.received.set(0);
    let before = sample()?;
    let began = Instant::now();
    let mut walkers = JoinSet::new();
    for client in clients {
        walkers.spawn_local(walk(client, Rc::clone(&aim), Rc::clone(&progress)));
    }
    let mut steady = JoinSet::new();
    for (turn, (client, ask)) in (0..).zip(steady_clients) {
        let first = began + PACE * turn;
        steady.spawn_local(stand_by(client, ask, first, Rc::clone(&progress)));
    }
    while let Some(ended) = walkers.join_next().await {
        flatten(ended)?;
    }
    let elapsed = began.elapsed();
    progress.done.set(true);
    while let Some(ended) = steady.join_next().await {
        flatten(ended)?;
    }
    let after = sample()?;

    let beside = progress.beside.take();
    let swept = progress.swept.get();
    let answered = progress.first.get() + swept + beside.len() as u64;
    let mut nanoseconds = if beside.is_empty() { progress.nanoseconds.take() } else { beside };
    if nanoseconds.is_empty() {
        return Err(io::Error::other("there were no cold files"));
    }
    Ok(Measured {
        requests: swept,
        received: progress.received.get(),
        elapsed,
        p50: quantile(&mut nanoseconds, 0.50),
        p99: quantile(&mut nanoseconds, 0.99),
        before,
        after,
        answered,
    })
}

/// A connection that has received one response.
async fn acquainted(aim: &Aim, ask: &Ask, progress: &Progress) -> io::Result<Client> {
    let mut client = Client::connect(&aim.door).await?;
    client.get(ask, &progress.received).await?;
    progress.first.set(progress.first.get() + 1);
    Ok(client)
}

async fn walk(mut client: Client, aim: Rc<Aim>, progress: Rc<Progress>) -> io::Result<()> {
    while let Some(ask) = aim.once() {
        let sent = Instant::now();
        client.get(ask, &progress.received).await?;
        progress.swept.set(progress.swept.get() + 1);
        progress.nanoseconds.borrow_mut().push(nanoseconds(sent.elapsed()));
    }
    Ok(())
}

/// A late response must not hide the delay of requests that were due meanwhile:
/// they are sent as soon as possible, and their time is measured from when they were due.
async fn stand_by(
    mut client: Client,
    ask: Ask,
    first: Instant,
    progress: Rc<Progress>,
) -> io::Result<()> {
    let received = Cell::new(0);
    let mut ticks = interval_at(first.into(), PACE * BESIDE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut free = Instant::now();
    loop {
        let due = ticks.tick().await.into_std();
        if progress.done.get() {
            return Ok(());
        }
        // The timer's own delay, up to a millisecond, is not the server's.
        let from = if due < free { due } else { Instant::now() };
        client.get(&ask, &received).await?;
        free = Instant::now();
        progress.beside.borrow_mut().push(nanoseconds(free - from));
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
