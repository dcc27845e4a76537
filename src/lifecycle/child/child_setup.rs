//! What a new process does before its program runs: it undoes what Sideman has set for itself and children inherit, and
//! asks the kernel to end it with Sideman.

use std::{os::unix::process::CommandExt as _, process::Command};

use rustix::{
    process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit},
    thread::disable_transparent_huge_pages,
};

/// The limits that a process gets: those of Sideman before it has raised its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildLimits {
    /// Some servers reserve memory for each descriptor that they may have.
    descriptors: (Option<u64>, Option<u64>),
}

// === impl ChildLimits ===

impl ChildLimits {
    /// Must be called before Sideman raises its limits.
    pub(super) fn of_this_process() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        Self { descriptors: (current, maximum) }
    }

    /// Prepares the command's process. It gets SIGTERM when the thread ends that starts it, which must be the main
    /// thread: without Sideman the application would run on, unreachable and unnoticed.
    #[expect(unsafe_code, reason = "only the child itself can do it, between fork and exec")]
    pub(super) fn apply(self, command: &mut Command) {
        let (current, maximum) = self.descriptors;
        // SAFETY: between fork and exec of a process with threads, only async-signal-safe functions may run. The
        // closure makes three system calls (prctl, prlimit) by rustix, on values of its own. It takes no lock and
        // allocates nothing, and its error is a number.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::TERM))?;
                // A program that misses one of these runs all the same.
                let _ = disable_transparent_huge_pages(false);
                let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
                Ok(())
            });
        }
    }
}
