//! The acceptor: a thread that waits at all listening sockets and hands each new connection to the
//! worker with the fewest. Nothing that goes wrong while accepting ends it.

use std::{
    io::{self, PipeReader, PipeWriter},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{SocketFlags, acceptfrom_with},
};

use super::workers::Placement;
use crate::telemetry::{Repeat, metrics::Process};

/// The pause after an accept that failed for want of something, such as descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The running acceptor. Dropping it closes the listening sockets, after every connection that the
/// kernel had accepted by then was handed on.
#[derive(Debug)]
pub struct Accepting {
    /// Its other end reports the hang-up to the thread.
    _stop: PipeWriter,
}

#[derive(Debug)]
struct Acceptor {
    listeners: Vec<TcpListener>,
    stop: PipeReader,
    placement: Arc<Placement>,
    metrics: Arc<Process>,
    trouble: Repeat,
}

// === impl Accepting ===

impl Accepting {
    /// Starts the acceptor's thread.
    pub fn start(
        listeners: Vec<TcpListener>,
        placement: Arc<Placement>,
        metrics: Arc<Process>,
    ) -> io::Result<Self> {
        let (stop, writer) = io::pipe()?;
        let trouble = Repeat::default();
        let acceptor = Acceptor { listeners, stop, placement, metrics, trouble };
        thread::Builder::new().name("acceptor".to_owned()).spawn(move || acceptor.run())?;
        Ok(Self { _stop: writer })
    }
}

// === impl Acceptor ===

impl Acceptor {
    fn run(self) {
        while !self.wait() {
            if !self.accept_all() {
                self.pause();
            }
        }
        // Closing a socket resets what waits in its queue: take that first.
        self.accept_all();
    }

    /// Waits for connections; `true` if it is time to stop.
    fn wait(&self) -> bool {
        let mut watched: Vec<PollFd<'_>> =
            self.listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
        watched.push(PollFd::new(&self.stop, PollFlags::IN));
        // An interrupted poll is as good as one that found nothing.
        let _ = poll(&mut watched, None);
        watched.last().is_some_and(|stop| !stop.revents().is_empty())
    }

    /// Lets the others end something, unless it is time to stop.
    fn pause(&self) {
        let timeout = Timespec::try_from(PAUSE).ok();
        let _ = poll(&mut [PollFd::new(&self.stop, PollFlags::IN)], timeout.as_ref());
    }

    /// Accepts until no connection is left; `false` if something is lacking.
    fn accept_all(&self) -> bool {
        let mut is_well = true;
        for listener in &self.listeners {
            loop {
                match accept(listener) {
                    Ok(Some((tcp, peer))) => self.placement.place(tcp, peer),
                    Ok(None) => {}
                    Err(Errno::AGAIN) => break,
                    Err(error) => {
                        is_well = false;
                        self.tell(error);
                        break;
                    }
                }
            }
        }
        is_well
    }

    fn tell(&self, error: Errno) {
        self.metrics.accept_errors.fetch_add(1, Ordering::Relaxed);
        if let Some(missed) = self.trouble.allow() {
            tracing::error!(
                %error, missed,
                "a connection can't be accepted; for lack of descriptors, raise the limit \
                 (ulimits.nofile)"
            );
        }
    }
}

/// `None` if the client has left already, or was interrupted: the next one may be there.
fn accept(listener: &TcpListener) -> Result<Option<(TcpStream, SocketAddr)>, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer): (OwnedFd, _) = match acceptfrom_with(listener, flags) {
        Ok(accepted) => accepted,
        Err(Errno::CONNABORTED | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The peer of a TCP connection has an address; without one there is nothing to trust and
    // nothing to log.
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    Ok(peer.map(|peer| (TcpStream::from(socket), peer)))
}
