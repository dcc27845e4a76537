//! The order to stop the application, from the shutdown to the supervisor.

use std::time::Instant;

use rustix::process::Signal;
use tokio::{select, sync::watch, time::sleep_until};

use super::{group::ProcessGroup, reaper::Reaper};

/// When processes are killed that ignore SIGTERM; `None` before the order.
pub(in crate::lifecycle) type StopOrder = Option<Instant>;

/// The receiving side of the order.
#[derive(Debug)]
pub(in crate::lifecycle) struct ChildStop(pub(in crate::lifecycle) watch::Receiver<StopOrder>);

// === impl ChildStop ===

impl ChildStop {
    /// Waits for the order.
    pub(super) async fn ordered(&mut self) -> Instant {
        loop {
            let order = *self.0.borrow_and_update();
            match order {
                Some(deadline) => return deadline,
                // The shutdown keeps the sender until the supervisor has ended.
                None => {
                    if self.0.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Ends the processes of a group with SIGTERM, and with SIGKILL at the deadline, which a second order may change.
    /// Returns whether SIGKILL was needed.
    pub(super) async fn end(&mut self, group: ProcessGroup, reaper: &mut Reaper) -> bool {
        group.signal(Signal::TERM);
        // A stopped process would not handle it.
        group.signal(Signal::CONT);
        loop {
            let deadline = self.ordered().await;
            let is_empty = select! {
                is_empty = group.until_empty(deadline) => is_empty,
                _ = self.0.changed() => continue,
                never = reaper.reap_others() => match never {},
            };
            if is_empty {
                return false;
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        kill(group, reaper).await;
        true
    }
}

/// Ends the processes of a group at once.
pub(super) async fn kill(group: ProcessGroup, reaper: &mut Reaper) {
    group.signal(Signal::KILL);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
    select! {
        _ = group.until_empty(deadline.into_std()) => {}
        () = sleep_until(deadline) => {}
        never = reaper.reap_others() => match never {},
    }
}
