//! The four phases of the process. Only `lifecycle` changes the phase; all other modules read it.

/// The phase of the process. It only ever advances in the order of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The application has not accepted a connection yet.
    Starting,
    /// The process serves requests.
    Ready,
    /// A signal arrived. The process still serves, with `Connection: close`, until the load balancer sends no more
    /// requests.
    Draining,
    /// No new connections are accepted; the last requests are completed.
    Stopped,
}

// === impl Phase ===

impl Phase {
    /// Every phase, in order. The metrics have one series for each.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Ready, Self::Draining, Self::Stopped];

    /// Returns the phase's name in metrics, logs and health checks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}
