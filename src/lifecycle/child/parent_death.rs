//! Ends a child if Sideman is killed. The kernel sends the signal; nobody else could, and without Sideman the application
//! would run on, unreachable and unnoticed.

use std::{os::unix::process::CommandExt as _, process::Command};

use rustix::process::{Signal, set_parent_process_death_signal};

/// Lets the command's process get SIGTERM when the thread ends that starts it, which must be the main thread.
#[expect(
    unsafe_code,
    reason = "only the child itself can ask the kernel for it, between fork and exec"
)]
pub(super) fn end_with_parent(command: &mut Command) {
    // SAFETY: between fork and exec of a process with threads, only async-signal-safe functions may run. The closure makes
    // one system call (prctl), by rustix without libc and without errno. It takes no lock, allocates nothing, and its
    // error is a number.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::TERM))?));
    }
}
