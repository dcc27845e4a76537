//! The acceptor thread. It waits on all listening sockets and passes each new connection to the worker with the fewest.
//! No accept error ends it. A reload can replace its sockets while it runs.

use std::{
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SocketFlags, acceptfrom_with},
};

use tokio::sync::oneshot;

use super::{
    listener::{Listener, ListenerMode, ListenerShared},
    load_shedding,
    stream::AcceptedSocket,
    workers::Placement,
};
use crate::{
    plan::ListenAddress,
    telemetry::{LogThrottle, metrics::ProcessMetrics},
};

/// The pause after an accept that failed because a resource is missing, such as descriptors.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// If no connection had to wait for this long, the next one that waits is counted and logged as a new overload.
const OVERLOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The running acceptor. Dropping it closes the listening sockets, after all connections that the kernel has accepted
/// by then were passed on.
#[derive(Debug)]
pub struct AcceptorHandle {
    commands: mpsc::Sender<(ListenerSet, oneshot::Sender<()>)>,
    /// A byte tells the thread that there is a command. A hang-up tells it to stop.
    wakeup: PipeWriter,
}

/// All listeners, with what they share.
#[derive(Debug)]
pub struct ListenerSet {
    pub sockets: Vec<ListenSocket>,
    pub shared: ListenerShared,
}

/// One listener of a [`ListenerSet`].
#[derive(Debug)]
pub enum ListenSocket {
    New(Listener),
    /// The existing listener with this address in the settings. Only its mode may change.
    Kept {
        listen_address: ListenAddress,
        old_mode: ListenerMode,
        mode: ListenerMode,
    },
}

/// Whether `server.max_connections` applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionBound {
    Kept,
    /// These connections are already accepted by the kernel, and no more will come.
    Ignored,
}

#[derive(Debug)]
struct Acceptor {
    listeners: Vec<Listener>,
    wakeup: PipeReader,
    commands: mpsc::Receiver<(ListenerSet, oneshot::Sender<()>)>,
    /// Workers end after this is dropped, together with the listeners.
    placement: Arc<Placement>,
    shared: ListenerShared,
    /// Set while connections to any listener wait for another to end: the time until the next try, even if none ends.
    waits: Option<Duration>,
    /// When a connection last had to wait.
    crowded: Option<Instant>,
    metrics: Arc<ProcessMetrics>,
    accept_throttle: LogThrottle,
    connection_throttle: LogThrottle,
}

// === impl AcceptorHandle ===

impl AcceptorHandle {
    /// Starts the acceptor thread.
    pub fn start(
        listeners: Vec<Listener>,
        shared: ListenerShared,
        placement: Arc<Placement>,
        metrics: Arc<ProcessMetrics>,
    ) -> io::Result<Self> {
        let (reader, wakeup) = io::pipe()?;
        let (commands, ordered) = mpsc::channel();
        let acceptor = Acceptor {
            listeners,
            wakeup: reader,
            commands: ordered,
            placement,
            shared,
            waits: None,
            crowded: None,
            metrics,
            accept_throttle: LogThrottle::default(),
            connection_throttle: LogThrottle::default(),
        };
        thread::Builder::new().name("acceptor".to_owned()).spawn(move || acceptor.run())?;
        Ok(Self { commands, wakeup })
    }

    /// Replaces the listeners with this set. The receiver is notified when the sockets that are no longer wanted are
    /// closed. Before that, all connections that the kernel has accepted on them are passed on.
    pub fn change(&self, site: ListenerSet) -> oneshot::Receiver<()> {
        let (sender, done) = oneshot::channel();
        // If the thread has ended, its senders are dropped and all receivers are already notified.
        if self.commands.send((site, sender)).is_ok() {
            let _ = (&self.wakeup).write_all(&[1]);
        }
        done
    }
}

// === impl Acceptor ===

impl Acceptor {
    fn run(mut self) {
        while !self.wait() {
            self.accept_all(ConnectionBound::Kept);
        }
        self.listeners.iter_mut().for_each(Listener::withdraw);
        // Closing a socket resets the connections in its queue, so accept them first.
        self.accept_all(ConnectionBound::Ignored);
    }

    /// Waits for a new connection, or for one to end if the limit is reached, then runs pending commands. Returns
    /// `true` if it is time to stop.
    fn wait(&mut self) -> bool {
        let mut watched = vec![PollFd::new(&self.wakeup, PollFlags::IN)];
        match self.waits {
            Some(_) => watched.push(PollFd::new(self.placement.ended(), PollFlags::IN)),
            None => {
                let listeners = self.listeners.iter();
                watched.extend(listeners.map(|listener| PollFd::new(listener, PollFlags::IN)));
            }
        }
        let timeout = self.waits.and_then(|time| Timespec::try_from(time).ok());
        // An interrupted poll is treated like one that found nothing.
        let _ = poll(&mut watched, timeout.as_ref());
        let rings = watched.first().is_some_and(|wakeup| !wakeup.revents().is_empty());
        self.placement.ended().clear();
        rings && self.is_over()
    }

    /// Runs pending commands. Returns `true` if there are none and all senders are gone.
    fn is_over(&mut self) -> bool {
        match self.wakeup.read(&mut [0; 16]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
        while let Ok((site, done)) = self.commands.try_recv() {
            self.change(site);
            // The receiver may have timed out.
            let _ = done.send(());
        }
        false
    }

    fn change(&mut self, site: ListenerSet) {
        let mut old = std::mem::take(&mut self.listeners);
        let mut next = Vec::with_capacity(site.sockets.len());
        let mut switched = Vec::new();
        for socket in site.sockets {
            match socket {
                ListenSocket::New(listener) => next.push(listener),
                ListenSocket::Kept { listen_address, old_mode, mode } => {
                    let is_it = |one: &Listener| {
                        *one.listen_address() == listen_address && one.mode() == old_mode
                    };
                    let known = old.iter().position(is_it);
                    if let Some(known) = known {
                        let listener = old.swap_remove(known);
                        if old_mode != mode {
                            switched.push((next.len(), mode));
                        }
                        next.push(listener);
                    }
                }
            }
        }
        // Accept what has arrived on the old sockets, under the settings it arrived for.
        old.iter_mut().for_each(Listener::withdraw);
        self.listeners = old;
        self.accept_all(ConnectionBound::Ignored);
        self.listeners = next;
        for (index, mode) in switched {
            if let Some(listener) = self.listeners.get_mut(index) {
                listener.set_mode(mode);
            }
        }
        self.shared = site.shared;
    }

    /// Accepts until no connection is left, or a resource is missing.
    fn accept_all(&mut self, bound: ConnectionBound) {
        let (mut is_well, mut is_crowded) = (true, false);
        for listener in &self.listeners {
            loop {
                if bound == ConnectionBound::Kept && self.placement.is_full() {
                    is_crowded |= has_arrivals(listener);
                    break;
                }
                match accept(listener) {
                    Ok(Some((socket, peer))) => {
                        self.placement.assign(socket, peer, self.shared.of(listener.mode()));
                    }
                    Ok(None) => {}
                    Err(Errno::AGAIN) => break,
                    Err(error) => {
                        is_well = false;
                        self.report_accept_error(error);
                        break;
                    }
                }
            }
        }
        if is_crowded {
            self.shed_idle();
        }
        self.waits = if !is_well {
            Some(RETRY_PAUSE)
        } else {
            is_crowded.then_some(load_shedding::RETRY_PAUSE)
        };
    }

    /// Handles a reached connection limit: asks workers to close idle connections for those that wait.
    fn shed_idle(&mut self) {
        self.placement.make_room();
        let last = self.crowded.replace(Instant::now());
        if last.is_some_and(|last| last.elapsed() < OVERLOAD_INTERVAL) {
            return;
        }
        self.metrics.connections_full.fetch_add(1, Ordering::Relaxed);
        if let Some(missed) = self.connection_throttle.should_log() {
            tracing::warn!(
                connections = self.placement.max(),
                missed,
                "connection limit reached, closing connections that are idle or have sent no request; raise \
                 server.max_connections, or the limit of open files (ulimits.nofile) if that is auto"
            );
        }
    }

    fn report_accept_error(&self, error: Errno) {
        self.metrics.accept_errors.fetch_add(1, Ordering::Relaxed);
        if matches!(error, Errno::MFILE | Errno::NFILE) {
            self.metrics.descriptors_exhausted.fetch_add(1, Ordering::Relaxed);
            self.placement.make_room();
            // If a connection ends right before this call, it is missed and the next try follows after `RETRY_PAUSE`.
            self.placement.ended().awaited_if(|| true);
        }
        if let Some(missed) = self.accept_throttle.should_log() {
            tracing::error!(
                %error, missed,
                "cannot accept a connection; if there are too few file descriptors, raise the limit of open \
                 files (ulimits.nofile)"
            );
        }
    }
}

/// Accepts one connection. Returns `None` if the client has disconnected already or the call was interrupted; another
/// connection may be waiting.
fn accept(listener: &Listener) -> Result<Option<(AcceptedSocket, Option<SocketAddr>)>, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer): (OwnedFd, _) = match acceptfrom_with(listener, flags) {
        Ok(accepted) => accepted,
        Err(Errno::CONNABORTED | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error),
    };
    if let ListenAddress::Unix(_) = listener.local() {
        return Ok(Some((AcceptedSocket::Unix(socket.into()), None)));
    }
    // The peer of a TCP connection has an address. Without one there is nothing to trust and nothing to log.
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    Ok(peer.map(|peer| (AcceptedSocket::Tcp(socket.into()), Some(peer))))
}

/// Whether a connection waits to be accepted.
fn has_arrivals(listener: &Listener) -> bool {
    let mut watched = [PollFd::new(listener, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).is_ok_and(|count| count > 0)
}
