//! The worker threads. Each worker has its own runtime and its own part of the pipeline. A connection stays on one
//! worker from accept to close.

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
    freed_memory,
    listener::ListenerShared,
    load_shedding,
    proxy_protocol::ExpectedHeader,
    stream::{AcceptedSocket, Transport},
    tls::TlsContext,
};
use crate::{
    body::ClientShares,
    phase::Phase,
    pipeline::{App, WorkerState},
    telemetry::{LogBuffer, LogSink, WorkerMetrics},
};

/// How long the first log line of a batch waits for more lines before the batch is written.
const LOG_DELAY: Duration = Duration::from_millis(100);

/// Threads of a worker that may block on the disk at the same time. Each thread takes memory, and more threads do not
/// make a slow disk faster.
const BLOCKING_THREADS: usize = 8;

/// How long a blocking thread is kept without work. Its memory is freed when it ends.
const BLOCKING_THREAD_IDLE: Duration = Duration::from_secs(2);

/// When the worker stops, how long newly accepted connections may take to send a request before idle connections are
/// closed.
const LAST_ARRIVALS: Duration = Duration::from_millis(100);

/// How long the workers may take to apply new settings. A worker waits for nothing here, so only a worker without
/// processor time exceeds it.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Requests that were aborted.
    aborted: u64,
}

/// Chooses a worker for each new connection.
#[derive(Debug)]
pub struct Placement {
    workers: Vec<Worker>,
    /// The maximum number of open connections.
    max: AtomicUsize,
    fair: Arc<FairShare>,
    ended: Arc<EndSignal>,
}

#[derive(Debug)]
struct Worker {
    messages: mpsc::UnboundedSender<WorkerMessage>,
    connections: Arc<WorkerConnections>,
    shed_request: Arc<load_shedding::ShedRequest>,
}

/// A message to a worker. Messages are handled in order, so connections that arrive after new settings use those
/// settings.
#[derive(Debug)]
enum WorkerMessage {
    Arrival(NewConnection),
    /// Notified when new requests use these settings.
    Settings(Arc<App>, oneshot::Sender<()>),
}

#[derive(Debug)]
struct NewConnection {
    socket: AcceptedSocket,
    peer: Option<SocketAddr>,
    /// Set if the connection begins with a header of the PROXY protocol.
    proxy_header: Option<ExpectedHeader>,
    /// Set if a TLS handshake follows.
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
            let shed_request = Arc::<load_shedding::ShedRequest>::default();
            let connections =
                Arc::new(WorkerConnections::new(Arc::clone(&shares), Arc::clone(&end_signal)));
            workers.push(Worker { messages, connections, shed_request: Arc::clone(&shed_request) });
            let shares = Arc::clone(&shares);
            let (app, shard, log) = (Arc::clone(app), Arc::clone(shard), log.cloned());
            let (phase, report) = (phase.clone(), report.clone());
            let name = format!("worker-{index}");
            // Built here, so that a shortage of descriptors fails the start and not a single worker.
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS)
                .thread_keep_alive(BLOCKING_THREAD_IDLE)
                .build()?;
            threads.push(thread::Builder::new().name(name).spawn(move || {
                shard.is_mine();
                let ended =
                    run(runtime, (app, shard, log), (received, shed_request, shares), phase);
                // The receiver lives until all workers are joined.
                let _ = report.send(ended);
            })?);
        }
        let max = load_shedding::most_connections(app.plan.server.max_connections);
        let max = AtomicUsize::new(max);
        let fair = Arc::new(FairShare::new(shares));
        fair.set_trusted(&app.plan.server.trusted_proxies);
        let placement = Placement { workers, max, fair, ended: end_signal };
        Ok(Self { threads, ended, placement: Arc::new(placement) })
    }

    /// Returns the handle through which acceptors place connections. When all handles are dropped, workers close idle
    /// connections and end after their last request.
    pub fn placement(&self) -> Arc<Placement> {
        Arc::clone(&self.placement)
    }

    /// Applies these settings to every request that begins from now on. Waits until each worker has applied them.
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
        // Send to all workers before waiting for any of them.
        let pending: Vec<_> = self.placement.workers.iter().filter_map(send).collect();
        for applied in pending {
            if timeout(SETTINGS_TIMEOUT, applied).await.is_err() {
                tracing::warn!("a worker thread has not applied the new settings yet");
            }
        }
    }

    /// Waits for all workers to end and returns the number of aborted requests.
    pub async fn ended(self) -> u64 {
        let Self { threads, mut ended, placement } = self;
        drop(placement);
        let mut cut = 0;
        while let Some(one) = ended.recv().await {
            cut += one.aborted;
        }
        for thread in threads {
            // A worker that panicked has reported nothing; its connections are already closed.
            let _ = thread.join();
        }
        cut
    }
}

// === impl Placement ===

impl Placement {
    /// Places a connection on the worker with the fewest. Closes it if its client already has its share.
    pub(super) fn assign(
        &self,
        socket: AcceptedSocket,
        peer: Option<SocketAddr>,
        ListenerShared { tls: secure, proxy_protocol }: ListenerShared,
    ) {
        let (used, max) = (self.open() + 1, self.max());
        let proxy_header = proxy_protocol
            .map(|settings| ExpectedHeader { settings, claim: self.fair.claim(used, max) });
        // A load balancer's connections count for its clients, and its header names them.
        let share = match proxy_header {
            Some(_) => None,
            None => match self.fair.admit(peer, used, max) {
                Some(share) => share,
                None => return,
            },
        };
        let running = self.workers.iter().filter(|worker| !worker.messages.is_closed());
        let fewest = running.min_by_key(|worker| worker.connections.count());
        let Some(worker) = fewest else { return };
        let permit = worker.connections.acquire(share);
        let arrival = NewConnection { socket, peer, proxy_header, secure, permit };
        let arrival = WorkerMessage::Arrival(arrival);
        if worker.messages.send(arrival).is_err() {
            tracing::error!("connection dropped: its worker thread has exited");
        }
    }

    /// The maximum number of open connections.
    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Whether the connection limit is reached. If so, [`Placement::ended`] reports the next connection that ends.
    pub(super) fn is_full(&self) -> bool {
        self.ended.awaited_if(|| self.open() >= self.max())
    }

    /// Readable when a connection has ended since [`Placement::is_full`].
    pub(super) fn ended(&self) -> &EndSignal {
        &self.ended
    }

    /// The number of open connections.
    fn open(&self) -> usize {
        self.workers.iter().map(|worker| worker.connections.count()).sum()
    }

    /// Asks the workers to close some idle connections, and some that have not sent a request yet.
    pub fn make_room(&self) {
        let share = load_shedding::share(self.max(), self.workers.len());
        self.workers.iter().for_each(|worker| worker.shed_request.request(share));
    }
}

/// Runs one worker from start to end.
fn run(
    runtime: Runtime,
    (app, shard, log): (Arc<App>, Arc<WorkerMetrics>, Option<LogSink>),
    (mut messages, shed_request, shares): (
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
        tokio::task::spawn_local(make_room(Rc::clone(&drain), shed_request, shares));
        let accept = async {
            while let Some(message) = messages.recv().await {
                let NewConnection { socket, peer, proxy_header, secure, permit } = match message {
                    WorkerMessage::Arrival(arrival) => arrival,
                    WorkerMessage::Settings(app, applied) => {
                        current.set(current.get().next(app));
                        // The receiver may have timed out.
                        let _ = applied.send(());
                        continue;
                    }
                };
                match Transport::new(socket) {
                    Ok(transport) => {
                        let (current, guard) = (Rc::clone(&current), drain.enter(permit.client()));
                        let handshake =
                            secure.map(|tls| HandshakeContext { tls, turns: Rc::clone(&turns) });
                        let permit = Some(permit);
                        let entry =
                            AcceptedConnection { transport, peer, proxy_header, handshake, permit };
                        let serving = connection::serve(current, Box::new(entry), guard);
                        tokio::task::spawn_local(serving);
                    }
                    Err(error) => tracing::error!(%error, "cannot serve a connection"),
                }
            }
            // No new connections arrive. The last ones may have a request on its way.
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
    // Idle connections were told to close. A connection that is still open has a response on its way, or is a tunnel,
    // which is not a request.
    let cut = if drain.is_closing() {
        metrics.connections.value().saturating_sub(metrics.tunnels.value())
    } else {
        metrics.in_flight.value()
    };
    // Drops the tasks that still run. Each request context writes its log line on drop.
    drop(tasks);
    log.flush();
    // A normal drop would wait for the blocking pool, for example for the hash of a large file or a dead name server.
    runtime.shutdown_background();
    WorkerEnd { aborted: cut }
}

/// Keeps the worker's copy of the phase up to date and ends tunnels at their deadline. Returns when the process must
/// end.
async fn follow(
    current: &CurrentSettings,
    drain: &ConnectionList,
    phase: &mut watch::Receiver<Phase>,
) {
    let mut last_call = None;
    loop {
        let now = *phase.borrow_and_update();
        // All settings share the same phase.
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
        sleep(LOG_DELAY).await;
        log.flush();
    }
}

async fn make_room(
    drain: Rc<ConnectionList>,
    shed_request: Arc<load_shedding::ShedRequest>,
    held: Arc<ClientShares>,
) {
    loop {
        let wanted = shed_request.requested().await;
        if !drain.shed(wanted, &held) {
            // The other connections are not idle yet. A look at all of them costs time, so pause before the next one.
            sleep(load_shedding::RETRY_PAUSE).await;
        }
    }
}
