//! Mistakes that Sideman can find by itself: what a finding says, and the checks of a process that need no request.
//! `sideman doctor` and the status of the running process show them.

mod check;
mod process;

pub use self::{
    check::{Check, Finding, Severity, printable},
    process::{
        CLIENT_ADDRESS, DESCRIPTORS, IDLE_TIMEOUT, MEMORY_LIMIT, ProcessFacts, SETTINGS_WARNING,
        idle_timeout, memory_limit, of_process,
    },
};
