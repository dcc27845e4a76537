//! How a process has ended.

use std::fmt;

use rustix::process::WaitStatus;

/// The exit status that shells use for a program that does not exist.
const NOT_FOUND: u8 = 127;
/// The same for a program that cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// Added to the number of the signal that has ended a process, as shells do.
const BY_SIGNAL: u8 = 128;

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessExit {
    Status(u8),
    Signal(u8),
}

// === impl ProcessExit ===

impl ProcessExit {
    pub(super) fn of(status: WaitStatus) -> Self {
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        match (status.exit_status(), status.terminating_signal()) {
            (_, Some(signal)) => Self::Signal(byte(signal)),
            (code, None) => Self::Status(code.map_or(u8::MAX, byte)),
        }
    }

    pub(super) fn is_success(self) -> bool {
        self == Self::Status(0)
    }

    /// The exit status of Sideman if it ends for this reason, which is never success.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Status(0) => 1,
            Self::Status(code) => code,
            Self::Signal(signal) => BY_SIGNAL.saturating_add(signal),
        }
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// The exit status of Sideman if a program could not be started.
pub(super) fn code_of_start(error: &std::io::Error) -> u8 {
    match error.kind() == std::io::ErrorKind::NotFound {
        true => NOT_FOUND,
        false => NOT_EXECUTABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_is_that_of_a_shell() {
        assert_eq!(ProcessExit::Status(3).code(), 3);
        assert_eq!(ProcessExit::Signal(9).code(), 137);
        assert_eq!(ProcessExit::Status(0).code(), 1, "a server that ends is no success");
        assert_eq!(code_of_start(&std::io::ErrorKind::NotFound.into()), 127);
        assert_eq!(code_of_start(&std::io::ErrorKind::PermissionDenied.into()), 126);
    }
}
