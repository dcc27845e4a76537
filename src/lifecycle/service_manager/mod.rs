//! The program that manages this process. systemd passes listening sockets that stay open while the process restarts
//! (`sockets`), and receives reports of its state (`notifier`). ECS tells the names of the service (`ecs_task`).

mod ecs_task;
mod notifier;
mod sockets;

pub use self::sockets::InheritedSocketError;
use self::sockets::InheritedSockets;
pub(super) use self::{ecs_task::TaskMetadata, notifier::Notifier};
use crate::config::Environment;

/// The service manager of this process.
#[derive(Debug, Default)]
pub struct ServiceManager {
    pub(super) sockets: InheritedSockets,
    pub(super) notifier: Notifier,
    /// `None` outside of ECS.
    pub(super) task: Option<TaskMetadata>,
}

// === impl ServiceManager ===

impl ServiceManager {
    /// Takes what was passed to this process. Must be called once, before other threads start: it removes the variables
    /// that describe the sockets, because they are not for child processes.
    pub fn of_process(environment: &Environment) -> Result<Self, InheritedSocketError> {
        Ok(Self {
            sockets: InheritedSockets::take()?,
            notifier: Notifier::of(environment),
            task: TaskMetadata::of(environment),
        })
    }
}
