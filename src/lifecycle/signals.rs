//! The signals that end the process, all in the same way, and those that other servers know: by
//! default they would end it at once. They are listened to before anything else begins: as the first
//! process of a container, one that is not listened to is ignored.

use std::io::{self, IsTerminal};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// The signals that were listened to.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user1: Signal,
    user2: Signal,
    /// A terminal that is closed ends what was started in it.
    has_terminal: bool,
}

// === impl Signals ===

impl Signals {
    /// Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hang_up: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            has_terminal: io::stdin().is_terminal(),
        })
    }

    /// Waits for the next one that ends the process, and gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            let ignored = select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.hang_up.recv() => {
                    if self.has_terminal {
                        return "SIGHUP";
                    }
                    "SIGHUP"
                }
                _ = self.user1.recv() => "SIGUSR1",
                _ = self.user2.recv() => "SIGUSR2",
            };
            tracing::warn!(
                signal = ignored,
                "ignored: there is nothing to reload, reopen or upgrade; restart to change settings"
            );
        }
    }
}
