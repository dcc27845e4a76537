//! What a service manager such as systemd has for the process: listening sockets that stay open while the process
//! restarts (`sockets`), and a socket for reports of its state (`notifier`).

mod notifier;
mod sockets;

pub(super) use self::notifier::Notifier;
pub use self::sockets::InheritedSocketError;
use self::sockets::InheritedSockets;
use crate::config::Environment;

/// The service manager of this process.
#[derive(Debug, Default)]
pub struct ServiceManager {
    pub(super) sockets: InheritedSockets,
    pub(super) notifier: Notifier,
}

// === impl ServiceManager ===

impl ServiceManager {
    /// Takes what was passed to this process. Must be called once, before other threads start: it removes the variables
    /// that describe the sockets, because they are not for child processes.
    pub fn of_process(environment: &Environment) -> Result<Self, InheritedSocketError> {
        Ok(Self { sockets: InheritedSockets::take()?, notifier: Notifier::of(environment) })
    }
}
