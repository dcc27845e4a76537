//! Wakes the acceptor when a connection ends, if it waits for that. New connections then stay in the kernel's queue no
//! longer than necessary.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::event::{EventfdFlags, eventfd};

/// Becomes readable when a connection has ended.
#[derive(Debug)]
pub(super) struct EndSignal {
    /// Whether the acceptor waits. A connection that ends pays one atomic load for it.
    is_awaited: AtomicBool,
    event: OwnedFd,
}

// === impl EndSignal ===

impl EndSignal {
    pub(super) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { is_awaited: AtomicBool::new(false), event })
    }

    /// Returns whether `is_full` holds. If it does, the next connection that ends makes this readable.
    pub(super) fn awaited_if(&self, is_full: impl Fn() -> bool) -> bool {
        if !is_full() {
            return false;
        }
        // A connection that ended before this store saw no waiter, so `is_full` is asked again. `SeqCst` is used here,
        // in `report` and where connections are counted. At least one of the two sides then sees the other's write.
        self.is_awaited.store(true, Ordering::SeqCst);
        is_full()
    }

    /// Reports that a connection has ended and is no longer counted. One report is enough to wake the acceptor.
    pub(super) fn report(&self) {
        if self.is_awaited.load(Ordering::SeqCst) && self.is_awaited.swap(false, Ordering::SeqCst) {
            // Fails only if the counter reaches 2^64 before the acceptor reads it.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Forgets what was reported.
    pub(super) fn clear(&self) {
        // Fails if nothing was reported.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

impl AsFd for EndSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, thread};

    use super::*;

    fn is_readable(signal: &EndSignal) -> bool {
        rustix::io::read(signal, &mut [0; 8]).is_ok()
    }

    #[test]
    fn report_is_heard_once_where_it_is_awaited() {
        let signal = EndSignal::new().unwrap();
        signal.report();
        assert!(!is_readable(&signal));
        assert!(!signal.awaited_if(|| false));
        signal.report();
        assert!(!is_readable(&signal));
        assert!(signal.awaited_if(|| true));
        signal.report();
        signal.report();
        assert!(is_readable(&signal) && !is_readable(&signal));
    }

    /// In every order of events, an acceptor that finds no free connection is notified of the one that ends.
    #[test]
    fn connection_that_ends_is_never_missed() {
        let signal = EndSignal::new().unwrap();
        for _ in 0..500 {
            let open = AtomicUsize::new(1);
            let waits = thread::scope(|scope| {
                scope.spawn(|| {
                    open.fetch_sub(1, Ordering::SeqCst);
                    signal.report();
                });
                signal.awaited_if(|| open.load(Ordering::SeqCst) > 0)
            });
            assert!(is_readable(&signal) || !waits);
            // The next round begins without a waiter.
            signal.report();
            signal.clear();
        }
    }
}
