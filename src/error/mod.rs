//! What can go wrong with one request: its kind, and whether sending the request again is safe. `kind` is the table
//! of all kinds. `pipeline/status_page` alone turns an error into an answer.

mod kind;

use std::{fmt, io};

pub use self::kind::{FailureKind, FailureRow, FailureSide};

#[cfg(test)]
mod reference;

/// One failure of one request.
#[derive(Debug)]
pub struct Error {
    kind: FailureKind,
    /// The application cannot have acted on the request: sending it again is safe.
    unsent: bool,
    /// The byte that is wrong, and how many are before it.
    byte: Option<(u8, usize)>,
    cause: Option<io::Error>,
}

// === impl Error ===

impl Error {
    /// A failure without an underlying I/O error.
    pub fn new(kind: FailureKind) -> Self {
        Self { kind, unsent: false, byte: None, cause: None }
    }

    /// A failure with the I/O error behind it.
    pub fn io(kind: FailureKind, cause: io::Error) -> Self {
        Self { kind, unsent: false, byte: None, cause: Some(cause) }
    }

    /// Marks that the application cannot have acted on the request.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// Names the byte that is wrong, and how many are before it.
    #[must_use]
    pub fn at(mut self, byte: u8, at: usize) -> Self {
        self.byte = Some((byte, at));
        self
    }

    /// The byte that is wrong, and how many are before it.
    pub fn byte(&self) -> Option<(u8, usize)> {
        self.byte
    }

    /// The I/O error behind it.
    pub fn cause(&self) -> Option<&io::Error> {
        self.cause.as_ref()
    }

    /// What happened.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether the application cannot have acted on the request.
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some((byte, at)) = self.byte {
            write!(f, ": 0x{byte:02X} is byte {}", at + 1)?;
        }
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
