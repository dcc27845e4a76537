//! The load generator: keep-alive connections in a closed loop, on one thread.
//!
//! The caller's samples are taken while the load runs, at both ends of the measured window, so that
//! neither the start nor the end of the load is in the numbers.

use std::{
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    task::{JoinError, JoinSet, LocalSet},
    time::{sleep, timeout},
};

use crate::{
    client::Client,
    endpoint::Door,
    http2,
    load_target::{Aim, Manner, Progress},
    options::Load,
};

/// Time limit for the last responses after the load has ended.
const DRAIN: Duration = Duration::from_secs(5);

const STEP: Duration = Duration::from_millis(20);
/// Time limit until each request was made once.
const LAP: Duration = Duration::from_secs(60);

/// The measured window.
#[derive(Debug)]
pub(crate) struct Measured<T> {
    /// Responses that completed within the window.
    pub(crate) requests: u64,
    /// Bytes of bodies received within the window.
    pub(crate) received: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) before: T,
    pub(crate) after: T,
    /// Requests completed since the start of the load, including warm-up and drain.
    pub(crate) answered: u64,
}

/// Runs the load to its end. The first wrong or missing response is the error.
pub(crate) async fn run<T>(
    aim: Aim,
    load: &Load,
    sample: impl Fn() -> io::Result<T>,
) -> io::Result<Measured<T>> {
    LocalSet::new().run_until(press(Rc::new(aim), load, sample)).await
}

/// Requests everything once, like the load; returns the number of requests.
pub(crate) async fn once(aim: Aim) -> io::Result<u64> {
    let tasks = async {
        let (aim, progress) = (Rc::new(aim), Rc::new(Progress::default()));
        let mut connections = JoinSet::new();
        join(&mut connections, &aim, &progress).await?;
        let began = Instant::now();
        while progress.answered.get() <= aim.asks.len() as u64 && began.elapsed() < DRAIN {
            hold(&mut connections, Duration::from_millis(1)).await?;
        }
        progress.stop.set(true);
        while let Some(ended) = connections.join_next().await {
            flatten(ended)?;
        }
        Ok(progress.answered.get())
    };
    LocalSet::new().run_until(timeout(LAP, tasks)).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "the requests did not end"))
    })
}

/// The runtime of the load.
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
        join(&mut connections, &aim, &progress).await?;
    }
    hold(&mut connections, load.warmup).await?;
    // A server with a cache is measured with its cache filled.
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

/// Connects, and adds the connection to the load.
async fn join(
    connections: &mut JoinSet<io::Result<()>>,
    aim: &Rc<Aim>,
    progress: &Rc<Progress>,
) -> io::Result<()> {
    let (aim, progress) = (Rc::clone(aim), Rc::clone(progress));
    match aim.manner {
        Manner::Kept => {
            let client = Client::connect(&aim.door).await?;
            connections.spawn_local(kept(client, aim, progress));
        }
        Manner::Streams(streams) => {
            http2::join(connections, streams, &aim, &progress).await?;
        }
        Manner::Handshakes | Manner::Resumptions => {
            let door = if aim.manner == Manner::Resumptions {
                aim.door.resuming()
            } else {
                aim.door.clone()
            };
            let mut client = Client::connect(&door).await?;
            // The tickets arrive with the first response.
            client.get(aim.next()?, &progress.received).await?;
            progress.answered.set(progress.answered.get() + 1);
            connections.spawn_local(anew(client, door, aim, progress));
        }
    }
    Ok(())
}

/// One connection: the next request is sent when the response to the last is complete.
async fn kept(mut client: Client, aim: Rc<Aim>, progress: Rc<Progress>) -> io::Result<()> {
    while !progress.stop.get() {
        let sent = Instant::now();
        client.get(aim.next()?, &progress.received).await?;
        progress.count(sent);
    }
    Ok(())
}

/// A connection for each request; the time is measured from its first segment on.
async fn anew(
    mut client: Client,
    door: Door,
    aim: Rc<Aim>,
    progress: Rc<Progress>,
) -> io::Result<()> {
    let resumes = aim.manner == Manner::Resumptions;
    while !progress.stop.get() {
        let sent = Instant::now();
        client.reconnect(&door).await?;
        if client.resumed() != Some(resumes) {
            let was = if resumes { "resumed no session" } else { "was not a full one" };
            return Err(io::Error::other(format!("a TLS handshake {was}")));
        }
        client.get(aim.next()?, &progress.received).await?;
        progress.count(sent);
    }
    Ok(())
}

/// Continues the load for `duration`; a connection that ends before is an error.
async fn hold(connections: &mut JoinSet<io::Result<()>>, duration: Duration) -> io::Result<()> {
    tokio::select! {
        Some(ended) = connections.join_next() => flatten(ended),
        () = sleep(duration) => Ok(()),
    }
}

pub(crate) fn flatten(ended: Result<io::Result<()>, JoinError>) -> io::Result<()> {
    ended.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// The value at quantile `part`; `values` is not empty.
pub(crate) fn quantile(values: &mut [u64], part: f64) -> Duration {
    let rank = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len());
    let (_, value, _) = values.select_nth_unstable(rank - 1);
    Duration::from_nanos(*value)
}
