//! The signals that end the process, all in the same way; the one that reloads; and those that other
//! servers know: by default they would end it at once. They are listened to before anything else begins: as
//! the first process of a container, one that is not listened to is ignored.

use std::io::{self, IsTerminal};

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// The signals that were listened to.
#[derive(Debug)]
pub(super) struct Signals {
    has_terminal: bool,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    user1: Signal,
    user2: Signal,
}

/// SIGHUP, which means two things.
#[derive(Debug)]
pub(super) struct HangUps {
    signal: Signal,
    had_terminal: bool,
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangUp {
    Reload,
    /// The terminal was closed: that ends what was started in it.
    Terminal,
}

// === impl Signals ===

impl Signals {
    /// Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            has_terminal: io::stdin().is_terminal(),
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Whether a person at a terminal can send one with a key.
    pub(super) fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    /// Waits for the next one that ends the process, and gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            let ignored = select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.user1.recv() => "SIGUSR1",
                _ = self.user2.recv() => "SIGUSR2",
            };
            tracing::warn!(
                signal = ignored,
                "ignored: there is nothing to reopen or upgrade; SIGHUP reads the settings again"
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

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> HangUp {
        let _ = self.signal.recv().await;
        // A terminal that was closed is none any more (EIO): else somebody has sent the signal.
        match self.had_terminal && !io::stdin().is_terminal() {
            true => HangUp::Terminal,
            false => HangUp::Reload,
        }
    }
}
