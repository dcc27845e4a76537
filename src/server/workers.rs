//! The worker threads. Each has its own runtime, its own part of the pipeline, and connections
//! that live and die on it.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{Semaphore, mpsc, watch},
    task::LocalSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    connection::{self, Entry, Handshake},
    drain::Drain,
    room,
    stream::{Accepted, Transport},
    tls::{Place, Tls},
};
use crate::{
    phase::Phase,
    pipeline::{App, Local},
    telemetry::{LogBuffer, LogSink},
};

/// How long the first line of a batch waits for others before it is written.
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// Threads of a worker that may wait for the disk at the same time. Each has memory of its own, and a
/// disk that is slower than so many at once does not become faster by more.
const BLOCKING: usize = 32;

/// How long connections that were accepted last may take to bring a request before the idle ones
/// are closed.
const LAST_ARRIVALS: Duration = Duration::from_millis(100);

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::UnboundedReceiver<Ended>,
    placement: Arc<Placement>,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    /// Requests that were cut.
    cut: u64,
}

/// Chooses a worker for each new connection.
#[derive(Debug)]
pub struct Placement {
    workers: Vec<Worker>,
    /// Connections that there may be.
    most: usize,
}

#[derive(Debug)]
struct Worker {
    connections: mpsc::UnboundedSender<Arrival>,
    open: Arc<AtomicUsize>,
    room: Arc<room::Request>,
}

#[derive(Debug)]
struct Arrival {
    socket: Accepted,
    peer: Option<SocketAddr>,
    /// Of a connection that begins with a handshake.
    place: Option<Place>,
    seat: Seat,
}

/// One place at a worker, taken until dropped.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

// === impl Workers ===

impl Workers {
    /// Starts one worker for each shard of the app's metrics.
    pub fn start(
        app: &Arc<App>,
        tls: Option<&Arc<Tls>>,
        log: Option<&LogSink>,
        phase: &watch::Receiver<Phase>,
    ) -> io::Result<Self> {
        let (report, ended) = mpsc::unbounded_channel();
        let (mut threads, mut workers) = (Vec::new(), Vec::new());
        for (index, shard) in app.metrics.shards().iter().enumerate() {
            let (connections, arrivals) = mpsc::unbounded_channel();
            let room = Arc::<room::Request>::default();
            workers.push(Worker { connections, open: Arc::default(), room: Arc::clone(&room) });
            let (app, shard, log) = (Arc::clone(app), Arc::clone(shard), log.cloned());
            let tls = tls.cloned();
            let (phase, report) = (phase.clone(), report.clone());
            let name = format!("worker-{index}");
            // Made here, so that a lack of descriptors ends the start and not one worker.
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING)
                .build()?;
            threads.push(thread::Builder::new().name(name).spawn(move || {
                shard.is_mine();
                let log = LogBuffer::new(&app.plan.log, log);
                let first_phase = *phase.borrow();
                let local = Local::new(app, shard, log, first_phase);
                let ended = {
                    let arrivals = (arrivals, room);
                    run(runtime, &Rc::new(local), tls.as_ref(), arrivals, phase)
                };
                // The receiver lives until all workers are joined.
                let _ = report.send(ended);
            })?);
        }
        let most = room::most(app.plan.server.max_connections);
        Ok(Self { threads, ended, placement: Arc::new(Placement { workers, most }) })
    }

    /// Where acceptors bring connections. When all acceptors and this are gone, workers close
    /// idle connections and end with their last request.
    pub fn placement(&self) -> Arc<Placement> {
        Arc::clone(&self.placement)
    }

    /// Waits for all workers to end and gives the number of requests that were cut.
    pub async fn ended(self) -> u64 {
        let Self { threads, mut ended, placement } = self;
        drop(placement);
        let mut cut = 0;
        while let Some(one) = ended.recv().await {
            cut += one.cut;
        }
        for thread in threads {
            // A worker that panicked has reported nothing; its connections are gone with it.
            let _ = thread.join();
        }
        cut
    }
}

// === impl Placement ===

impl Placement {
    /// Brings a connection to the worker with the fewest.
    pub(super) fn place(&self, socket: Accepted, peer: Option<SocketAddr>, place: Option<Place>) {
        let living = self.workers.iter().filter(|worker| !worker.connections.is_closed());
        let fewest = living.min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        let Some(worker) = fewest else { return };
        let seat = Seat::take(&worker.open);
        if worker.connections.send(Arrival { socket, peer, place, seat }).is_err() {
            tracing::error!("a worker has ended: its connection is dropped");
        }
    }

    /// Connections that there may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Whether there are as many connections as there may be.
    pub(super) fn is_full(&self) -> bool {
        let open = self.workers.iter().map(|worker| worker.open.load(Ordering::Relaxed));
        open.sum::<usize>() >= self.most
    }

    /// Has the workers close connections that nobody uses.
    pub(super) fn make_room(&self) {
        let share = room::share(self.most, self.workers.len());
        self.workers.iter().for_each(|worker| worker.room.make(share));
    }
}

// === impl Seat ===

impl Seat {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One worker's life.
fn run(
    runtime: Runtime,
    local: &Rc<Local>,
    tls: Option<&Arc<Tls>>,
    (mut arrivals, room): (mpsc::UnboundedReceiver<Arrival>, Arc<room::Request>),
    mut phase: watch::Receiver<Phase>,
) -> Ended {
    let tasks = LocalSet::new();
    let drain = Rc::new(Drain::default());
    let turns = Rc::new(Semaphore::new(1));
    let serve = async {
        tokio::task::spawn_local(flush_log(Rc::clone(local)));
        tokio::task::spawn_local(reap(Rc::clone(local)));
        tokio::task::spawn_local(make_room(Rc::clone(&drain), room));
        let accept = async {
            while let Some(Arrival { socket, peer, place, seat }) = arrivals.recv().await {
                match Transport::new(socket) {
                    Ok(transport) => {
                        let (local, ticket) = (Rc::clone(local), drain.enter());
                        let handshake = place.zip(tls.cloned()).map(|(place, tls)| {
                            Box::new(Handshake { tls, place, turns: Rc::clone(&turns) })
                        });
                        let entry = Entry { transport, peer, handshake };
                        tokio::task::spawn_local(async move {
                            let _seat = seat;
                            connection::serve(local, entry, ticket).await;
                        });
                    }
                    Err(error) => tracing::error!(%error, "a connection can't be served"),
                }
            }
            // Nobody brings connections any more; what came last may have its request on the way.
            if !drain.is_empty() {
                sleep(LAST_ARRIVALS).await;
            }
            drain.close();
            drain.emptied().await;
        };
        tokio::select! {
            () = accept => {}
            () = follow(local, &drain, &mut phase) => {}
        }
    };
    tasks.block_on(&runtime, serve);
    // Once the idle ones were told to close, a connection that is left has an answer on its way, or is
    // a tunnel, which is no request.
    let cut = if drain.is_closing() {
        local.metrics.connections.value().saturating_sub(local.metrics.tunnels.value())
    } else {
        local.metrics.in_flight.value()
    };
    // Drops what still runs; each record writes its line.
    drop(tasks);
    local.log.flush();
    // Dropping it would wait for the blocking pool: a large file being hashed, a dead name server.
    runtime.shutdown_background();
    Ended { cut }
}

/// Keeps the worker's copy of the phase, and ends tunnels when their time has come; ends when the
/// process must.
async fn follow(local: &Local, drain: &Drain, phase: &mut watch::Receiver<Phase>) {
    let mut last_call = None;
    loop {
        let now = *phase.borrow_and_update();
        local.phase.set(now);
        if now == Phase::Stopped {
            return;
        }
        if now == Phase::Draining && last_call.is_none() {
            last_call = Some(Instant::now() + local.app.plan.shutdown.tunnels);
        }
        let tunnels_end = async {
            match last_call {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
            drain.end_tunnels();
            pending::<()>().await;
        };
        tokio::select! {
            changed = phase.changed() => if changed.is_err() { return },
            () = tunnels_end => {}
        }
    }
}

async fn flush_log(local: Rc<Local>) {
    loop {
        local.log.first_line().await;
        sleep(LOG_PAUSE).await;
        local.log.flush();
    }
}

async fn make_room(drain: Rc<Drain>, room: Arc<room::Request>) {
    loop {
        let count = room.made().await;
        drain.let_go(count);
    }
}

async fn reap(local: Rc<Local>) {
    local.reap().await;
}
