//! The four phases of the process's life. `lifecycle` moves them, everything else reads them.

/// Where the process stands in its life; phases only ever move downwards in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The application has not accepted a connection yet.
    Starting,
    /// Serving.
    Ready,
    /// A signal came: still serving, with `Connection: close`, while the load balancer looks away.
    Draining,
    /// No new connections; the last requests end.
    Stopped,
}

// === impl Phase ===

impl Phase {
    /// Every phase, in order; the metrics show one series for each.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Ready, Self::Draining, Self::Stopped];

    /// The phase's name in metrics, logs and health answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}
