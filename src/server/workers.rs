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
    sync::{Semaphore, mpsc, oneshot, watch},
    task::LocalSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    connection::{self, AcceptedConnection, HandshakeContext},
    connection_permit::{ConnectionPermit, WorkerConnections},
    current_settings::CurrentSettings,
    drain::ConnectionList,
    end_signal::EndSignal,
    fair_share::FairShare,
    freed_memory, load_shedding,
    stream::{AcceptedSocket, Transport},
    tls::TlsContext,
};
use crate::{
    body::ClientShares,
    phase::Phase,
    pipeline::{App, WorkerState},
    telemetry::{LogBuffer, LogSink, WorkerMetrics},
};

/// How long the first line of a batch waits for others before it is written.
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// Threads of a worker that may wait for the disk at the same time. Each has memory of its own, and a
/// disk that is slower than so many at once does not become faster by more.
const BLOCKING: usize = 8;

/// How long a thread that waited for the disk is kept without work: its memory goes with it.
const BLOCKING_IDLE: Duration = Duration::from_secs(2);

/// How long connections that were accepted last may take to bring a request before the idle ones
/// are closed.
const LAST_ARRIVALS: Duration = Duration::from_millis(100);

/// How long the workers may take for other settings: none waits for anything, so that only one whose
/// processor is taken away does not.
const CHANGE: Duration = Duration::from_secs(5);

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::UnboundedReceiver<WorkerEnd>,
    placement: Arc<Placement>,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WorkerEnd {
    /// Requests that were cut.
    aborted: u64,
}

/// Chooses a worker for each new connection.
#[derive(Debug)]
pub struct Placement {
    workers: Vec<Worker>,
    /// Connections that there may be.
    max: AtomicUsize,
    fair: FairShare,
    ended: Arc<EndSignal>,
}

#[derive(Debug)]
struct Worker {
    messages: mpsc::UnboundedSender<WorkerMessage>,
    connections: Arc<WorkerConnections>,
    shed_request: Arc<load_shedding::ShedRequest>,
}

/// What a worker is sent, and takes in this order: connections that come after other settings begin
/// with them.
#[derive(Debug)]
enum WorkerMessage {
    Arrival(NewConnection),
    /// Told when requests begin with them.
    Settings(Arc<App>, oneshot::Sender<()>),
}

#[derive(Debug)]
struct NewConnection {
    socket: AcceptedSocket,
    peer: Option<SocketAddr>,
    /// Of a connection that begins with a handshake.
    secure: Option<Arc<TlsContext>>,
    permit: ConnectionPermit,
}

// === impl Workers ===

impl Workers {
    /// Starts one worker for each shard of the app's metrics.
    pub fn start(
        app: &Arc<App>,
        log: Option<&LogSink>,
        phase: &watch::Receiver<Phase>,
    ) -> io::Result<Self> {
        let (report, ended) = mpsc::unbounded_channel();
        let (mut threads, mut workers) = (Vec::new(), Vec::new());
        let refused = Arc::clone(&app.metrics.process().connection_share_exceeded);
        let shares = Arc::new(ClientShares::new(refused));
        let end_signal = Arc::new(EndSignal::new()?);
        for (index, shard) in app.metrics.shards().iter().enumerate() {
            let (messages, received) = mpsc::unbounded_channel();
            let room = Arc::<load_shedding::ShedRequest>::default();
            let connections =
                Arc::new(WorkerConnections::new(Arc::clone(&shares), Arc::clone(&end_signal)));
            workers.push(Worker { messages, connections, shed_request: Arc::clone(&room) });
            let shares = Arc::clone(&shares);
            let (app, shard, log) = (Arc::clone(app), Arc::clone(shard), log.cloned());
            let (phase, report) = (phase.clone(), report.clone());
            let name = format!("worker-{index}");
            // Made here, so that a lack of descriptors ends the start and not one worker.
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING)
                .thread_keep_alive(BLOCKING_IDLE)
                .build()?;
            threads.push(thread::Builder::new().name(name).spawn(move || {
                shard.is_mine();
                let ended = run(runtime, (app, shard, log), (received, room, shares), phase);
                // The receiver lives until all workers are joined.
                let _ = report.send(ended);
            })?);
        }
        let max = load_shedding::most_connections(app.plan.server.max_connections);
        let max = AtomicUsize::new(max);
        let fair = FairShare::new(shares);
        fair.set_trusted(&app.plan.server.trusted_proxies);
        let placement = Placement { workers, max, fair, ended: end_signal };
        Ok(Self { threads, ended, placement: Arc::new(placement) })
    }

    /// Where acceptors bring connections. When all acceptors and this are gone, workers close
    /// idle connections and end with their last request.
    pub fn placement(&self) -> Arc<Placement> {
        Arc::clone(&self.placement)
    }

    /// Lets every request that begins from now on begin with these settings; waits until each worker has
    /// taken them up.
    pub async fn change(&self, app: &Arc<App>) {
        let max = load_shedding::most_connections(app.plan.server.max_connections);
        self.placement.max.store(max, Ordering::Relaxed);
        self.placement.fair.set_trusted(&app.plan.server.trusted_proxies);
        let send = |worker: &Worker| {
            let (sender, applied) = oneshot::channel();
            worker
                .messages
                .send(WorkerMessage::Settings(Arc::clone(app), sender))
                .ok()
                .map(|()| applied)
        };
        // All are told before any is waited for.
        let pending: Vec<_> = self.placement.workers.iter().filter_map(send).collect();
        for applied in pending {
            if timeout(CHANGE, applied).await.is_err() {
                tracing::warn!("a worker is slow to take up the new settings");
            }
        }
    }

    /// Waits for all workers to end and gives the number of requests that were cut.
    pub async fn ended(self) -> u64 {
        let Self { threads, mut ended, placement } = self;
        drop(placement);
        let mut cut = 0;
        while let Some(one) = ended.recv().await {
            cut += one.aborted;
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
    /// Brings a connection to the worker with the fewest; `false` if it was closed, because its client has its share.
    pub(super) fn assign(
        &self,
        socket: AcceptedSocket,
        peer: Option<SocketAddr>,
        secure: Option<Arc<TlsContext>>,
    ) -> bool {
        let Some(share) = self.fair.admit(peer, self.open() + 1, self.max()) else {
            return false;
        };
        let living = self.workers.iter().filter(|worker| !worker.messages.is_closed());
        let fewest = living.min_by_key(|worker| worker.connections.count());
        let Some(worker) = fewest else { return true };
        let permit = worker.connections.acquire(share);
        let arrival = WorkerMessage::Arrival(NewConnection { socket, peer, secure, permit });
        if worker.messages.send(arrival).is_err() {
            tracing::error!("a worker has ended: its connection is dropped");
        }
        true
    }

    /// Connections that there may be.
    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Whether there are as many connections as there may be. If so, [`Placement::ended`] tells when one ends.
    pub(super) fn is_full(&self) -> bool {
        self.ended.awaited_if(|| self.open() >= self.max())
    }

    /// Readable when a connection has ended since [`Placement::is_full`].
    pub(super) fn ended(&self) -> &EndSignal {
        &self.ended
    }

    /// Connections that there are.
    fn open(&self) -> usize {
        self.workers.iter().map(|worker| worker.connections.count()).sum()
    }

    /// Has the workers close some connections that nobody uses, or that ask nothing.
    pub fn make_room(&self) {
        let share = load_shedding::share(self.max(), self.workers.len());
        self.workers.iter().for_each(|worker| worker.shed_request.request(share));
    }
}

/// One worker's life.
fn run(
    runtime: Runtime,
    (app, shard, log): (Arc<App>, Arc<WorkerMetrics>, Option<LogSink>),
    (mut messages, room, shares): (
        mpsc::UnboundedReceiver<WorkerMessage>,
        Arc<load_shedding::ShedRequest>,
        Arc<ClientShares>,
    ),
    mut phase: watch::Receiver<Phase>,
) -> WorkerEnd {
    let tasks = LocalSet::new();
    let drain = Rc::new(ConnectionList::default());
    let turns = Rc::new(Semaphore::new(1));
    let metrics = Arc::clone(&shard);
    let log = LogBuffer::new(&app.plan.log, log);
    let first_phase = *phase.borrow();
    let begin = async { WorkerState::start(app, shard, log, first_phase) };
    let local = tasks.block_on(&runtime, begin);
    let log = Rc::clone(&local.log);
    let current = Rc::new(CurrentSettings::new(local));
    let runtime_metrics = runtime.metrics();
    let serve = async {
        tokio::task::spawn_local(freed_memory::give_back(runtime_metrics));
        tokio::task::spawn_local(flush_log(Rc::clone(&log)));
        tokio::task::spawn_local(make_room(Rc::clone(&drain), room, shares));
        let accept = async {
            while let Some(message) = messages.recv().await {
                let NewConnection { socket, peer, secure, permit } = match message {
                    WorkerMessage::Arrival(arrival) => arrival,
                    WorkerMessage::Settings(app, applied) => {
                        current.set(current.get().next(app));
                        // Whoever waited may have lost patience.
                        let _ = applied.send(());
                        continue;
                    }
                };
                match Transport::new(socket) {
                    Ok(transport) => {
                        let (current, guard) = (Rc::clone(&current), drain.enter(permit.client()));
                        let handshake =
                            secure.map(|tls| HandshakeContext { tls, turns: Rc::clone(&turns) });
                        let entry =
                            AcceptedConnection { transport, peer, handshake, permit: Some(permit) };
                        let serving = connection::serve(current, Box::new(entry), guard);
                        tokio::task::spawn_local(serving);
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
            () = follow(&current, &drain, &mut phase) => {}
        }
    };
    tasks.block_on(&runtime, serve);
    // Once the idle ones were told to close, a connection that is left has an answer on its way, or is
    // a tunnel, which is no request.
    let cut = if drain.is_closing() {
        metrics.connections.value().saturating_sub(metrics.tunnels.value())
    } else {
        metrics.in_flight.value()
    };
    // Drops what still runs; each record writes its line.
    drop(tasks);
    log.flush();
    // Dropping it would wait for the blocking pool: a large file being hashed, a dead name server.
    runtime.shutdown_background();
    WorkerEnd { aborted: cut }
}

/// Keeps the worker's copy of the phase, and ends tunnels when their time has come; ends when the
/// process must.
async fn follow(
    current: &CurrentSettings,
    drain: &ConnectionList,
    phase: &mut watch::Receiver<Phase>,
) {
    let mut last_call = None;
    loop {
        let now = *phase.borrow_and_update();
        // All settings share it.
        current.get().phase.set(now);
        if now == Phase::Stopped {
            return;
        }
        if now == Phase::Draining && last_call.is_none() {
            last_call = Some(Instant::now() + current.get().app.plan.shutdown.tunnels);
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

async fn flush_log(log: Rc<LogBuffer>) {
    loop {
        log.first_line().await;
        sleep(LOG_PAUSE).await;
        log.flush();
    }
}

async fn make_room(
    drain: Rc<ConnectionList>,
    room: Arc<load_shedding::ShedRequest>,
    held: Arc<ClientShares>,
) {
    loop {
        let wanted = room.requested().await;
        if !drain.shed(wanted, &held) {
            // Others are not idle yet. To look at all of them costs time.
            sleep(load_shedding::PAUSE).await;
        }
    }
}
