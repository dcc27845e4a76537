//! Signal handlers: signals that end the process, SIGHUP, and signals that other servers use, which would end the
//! process by default. They are installed before anything else starts, because the first process of a container ignores
//! signals without a handler.

use std::io::{self, IsTerminal};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// The installed signal handlers.
#[derive(Debug)]
pub(super) struct Signals {
    has_terminal: bool,
    /// Whether the application gets the signals that mean nothing to Sideman.
    has_child: bool,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
}

/// SIGHUP, which has two meanings.
#[derive(Debug)]
pub(super) struct HangUps {
    signal: Signal,
    had_terminal: bool,
}

/// The meaning of a SIGHUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangUp {
    Reload,
    /// The terminal was closed, which ends the processes started in it.
    Terminal,
}

// === impl Signals ===

impl Signals {
    /// Must be called within a runtime.
    pub(super) fn listen(has_child: bool) -> io::Result<Self> {
        Ok(Self {
            has_terminal: io::stdin().is_terminal(),
            has_child,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Returns whether a user at a terminal can send the signal with a key.
    pub(super) fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    /// Waits for the next signal that ends the process, and returns its name.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            let ignored = select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.user1.recv() => "SIGUSR1",
                _ = self.user2.recv() => "SIGUSR2",
            };
            if self.has_child {
                continue;
            }
            tracing::warn!(
                signal = ignored,
                "signal ignored, because there is nothing to reopen or upgrade; send SIGHUP to reload the settings"
            );
        }
    }
}

// === impl HangUps ===

impl HangUps {
    /// Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let had_terminal = io::stdin().is_terminal();
        Ok(Self { signal: signal(SignalKind::hangup())?, had_terminal })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> HangUp {
        let _ = self.signal.recv().await;
        // A closed terminal returns EIO. Otherwise the signal was sent by a process.
        match self.had_terminal && !io::stdin().is_terminal() {
            true => HangUp::Terminal,
            false => HangUp::Reload,
        }
    }
}
