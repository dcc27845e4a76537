//! Signals that Sideman passes to the application: those by which servers reload, reopen logs or change the number of
//! their workers.

use std::io;

use rustix::process::Signal;
use tokio::{
    select,
    signal::unix::{Signal as SignalStream, SignalKind, signal},
};

use super::group::ProcessGroup;
use crate::lifecycle::signals::{HangUp, HangUps};

/// The handlers of these signals.
#[derive(Debug)]
pub(super) struct ForwardedSignals {
    hang_ups: HangUps,
    user1: SignalStream,
    user2: SignalStream,
    more: SignalStream,
    fewer: SignalStream,
}

// === impl ForwardedSignals ===

impl ForwardedSignals {
    /// Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let of = |one: Signal| signal(SignalKind::from_raw(one.as_raw()));
        Ok(Self {
            hang_ups: HangUps::listen()?,
            user1: of(Signal::USR1)?,
            user2: of(Signal::USR2)?,
            more: of(Signal::TTIN)?,
            fewer: of(Signal::TTOU)?,
        })
    }

    /// Passes on the next signal.
    pub(super) async fn pass_one(&mut self, group: ProcessGroup) {
        let (signal, name) = self.next().await;
        let pid = group.leader().as_raw_nonzero();
        match group.signal_leader_if_handled(signal) {
            true => tracing::info!(signal = name, pid, "signal passed to the application"),
            false => tracing::warn!(
                signal = name,
                pid,
                "signal not passed to the application, because it has no handler for it and would end"
            ),
        }
    }

    async fn next(&mut self) -> (Signal, &'static str) {
        loop {
            select! {
                // If the terminal was closed, Sideman stops the application after the drain.
                hang_up = self.hang_ups.next() => if hang_up == HangUp::Reload {
                    return (Signal::HUP, "SIGHUP");
                },
                _ = self.user1.recv() => return (Signal::USR1, "SIGUSR1"),
                _ = self.user2.recv() => return (Signal::USR2, "SIGUSR2"),
                _ = self.more.recv() => return (Signal::TTIN, "SIGTTIN"),
                _ = self.fewer.recv() => return (Signal::TTOU, "SIGTTOU"),
            }
        }
    }
}
