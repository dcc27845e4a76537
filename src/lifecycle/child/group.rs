//! A process group: the process that Sideman has started, with those that it has started.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::time::sleep;

/// The interval of checks whether a group has ended. Its last process is not always a child of Sideman.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// How long killed processes may take to disappear.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// The group that began with the process of this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessGroup(Pid);

// === impl ProcessGroup ===

impl ProcessGroup {
    pub(super) fn of(leader: Pid) -> Self {
        Self(leader)
    }

    /// The process that Sideman has started.
    pub(super) fn leader(self) -> Pid {
        self.0
    }

    /// Whether a process is in the group. As long as one is, the kernel gives its id to no other group.
    pub(super) fn has_members(self) -> bool {
        test_kill_process_group(self.0).is_ok()
    }

    /// Sends a signal to all its processes. They may have ended.
    pub(super) fn signal(self, signal: Signal) {
        let _ = kill_process_group(self.0, signal);
    }

    /// Sends a signal to the first process alone. Returns `false`, and sends nothing, unless it has a handler for the
    /// signal: others would end it or stop it.
    pub(super) fn signal_leader_if_handled(self, signal: Signal) -> bool {
        let path = format!("/proc/{}/status", self.0.as_raw_nonzero());
        let is_handled =
            fs::read_to_string(path).is_ok_and(|status| handles(&status, signal.as_raw()));
        is_handled && kill_process(self.0, signal).is_ok()
    }

    /// Ends the processes that outlive the first one: with SIGTERM, and with SIGKILL at the deadline. Somebody
    /// else must reap them.
    pub(super) async fn end(self, deadline: Instant) {
        if !self.has_members() {
            return;
        }
        self.signal(Signal::TERM);
        if !self.until_empty(deadline).await {
            self.signal(Signal::KILL);
            self.until_empty(Instant::now() + KILL_TIMEOUT).await;
        }
    }

    /// Waits until no process is left. Returns `false` at the deadline.
    pub(super) async fn until_empty(self, deadline: Instant) -> bool {
        while self.has_members() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(CHECK_INTERVAL).await;
        }
        true
    }
}

/// Whether a process has a handler for a signal, by its /proc/PID/status.
fn handles(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1)
        .is_ok_and(|bit| mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handled_signals_are_read_from_the_status() {
        // Bit 0 is signal 1.
        let status = "Name:\tgunicorn\nSigIgn:\t0000000000000002\nSigCgt:\t0000000000000a01\n";
        assert!(handles(status, Signal::HUP.as_raw()));
        assert!(!handles(status, Signal::INT.as_raw()), "ignored is not handled");
        assert!(handles(status, Signal::USR1.as_raw()) && handles(status, Signal::USR2.as_raw()));
        assert!(!handles(status, Signal::TTIN.as_raw()));
        for odd in ["", "SigCgt:\tx\n", "SigCgt:\n"] {
            assert!(!handles(odd, Signal::HUP.as_raw()));
        }
        assert!(!handles(status, 0) && !handles(status, 65));
    }
}
