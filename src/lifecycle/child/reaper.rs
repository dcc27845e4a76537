//! Waits for the end of processes: the application, and all that were left to Sideman because their parent has ended.
//! As the first process of a container Sideman gets every such process.

use std::{convert::Infallible, io};

use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, wait};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::ProcessExit;

/// The only place that waits for processes: another would take an exit status from it.
#[derive(Debug)]
pub(super) struct Reaper {
    ended: Signal,
}

// === impl Reaper ===

impl Reaper {
    /// Must be called within a runtime, before a process is started.
    pub(super) fn listen() -> io::Result<Self> {
        let ended = signal(SignalKind::child())?;
        // Not only as the first process: what the application leaves behind is ended with it.
        if let Err(error) = set_child_subreaper(Some(getpid())) {
            tracing::debug!(%error, "processes that lose their parent are not passed to sideman");
        }
        Ok(Self { ended })
    }

    /// Waits for the end of this process, and reaps others meanwhile.
    pub(super) async fn wait_for(&mut self, process: Pid) -> ProcessExit {
        loop {
            if let Some(exit) = reap(Some(process)) {
                return exit;
            }
            let _ = self.ended.recv().await;
        }
    }

    /// Reaps processes that nobody waits for; never returns.
    pub(super) async fn reap_others(&mut self) -> Infallible {
        loop {
            reap(None);
            let _ = self.ended.recv().await;
        }
    }
}

/// Reaps every process that has ended. Returns the exit of the wanted one.
fn reap(wanted: Option<Pid>) -> Option<ProcessExit> {
    let mut found = None;
    // An error means that there are no processes.
    while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
        if Some(process) == wanted {
            found = Some(ProcessExit::of(status));
        }
    }
    found
}
