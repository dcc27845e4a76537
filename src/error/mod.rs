//! Errors of a request: the kind of failure, and whether a retry is safe. `kind` is the table of all kinds. Only
//! `pipeline/status_page` turns an error into a response.

mod kind;

use std::{fmt, io};

pub use self::kind::{FailureKind, FailureRow, FailureSide};

#[cfg(test)]
mod reference;

/// The failure of a request.
#[derive(Debug)]
pub struct Error {
    kind: FailureKind,
    /// Whether the application cannot have acted on the request, so a retry is safe.
    unsent: bool,
    /// The invalid byte, and the number of bytes before it.
    byte: Option<(u8, usize)>,
    /// Replaces the seconds in `Retry-After` of its kind.
    retry_after: Option<u32>,
    cause: Option<io::Error>,
}

// === impl Error ===

impl Error {
    /// Creates a failure without an underlying I/O error.
    pub fn new(kind: FailureKind) -> Self {
        Self { kind, unsent: false, byte: None, retry_after: None, cause: None }
    }

    /// Creates a failure with its underlying I/O error.
    pub fn io(kind: FailureKind, cause: io::Error) -> Self {
        Self { kind, unsent: false, byte: None, retry_after: None, cause: Some(cause) }
    }

    /// Marks that the application cannot have acted on the request.
    #[must_use]
    pub fn unsent(mut self) -> Self {
        self.unsent = true;
        self
    }

    /// Stores the invalid byte, and the number of bytes before it.
    #[must_use]
    pub fn at(mut self, byte: u8, at: usize) -> Self {
        self.byte = Some((byte, at));
        self
    }

    /// Stores the seconds after which the same request succeeds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Returns the seconds for `Retry-After`, if the response must have it.
    pub fn seconds_to_retry(&self) -> Option<u32> {
        self.retry_after.or(self.kind.row().retry_after)
    }

    /// Returns the invalid byte, and the number of bytes before it.
    pub fn byte(&self) -> Option<(u8, usize)> {
        self.byte
    }

    /// Returns the underlying I/O error.
    pub fn cause(&self) -> Option<&io::Error> {
        self.cause.as_ref()
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns whether the fault stays until somebody changes the settings or the server, so that no request should
    /// wait for its end.
    pub fn is_lasting(&self) -> bool {
        // A server that closes the connection during the handshake may be restarting. A fault that rustls has found has
        // the kind `InvalidData`, and stays.
        let has_invalid_data =
            self.cause.as_ref().is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData);
        matches!(self.kind, FailureKind::UpstreamProtocol | FailureKind::UpstreamCertificate)
            || self.kind == FailureKind::UpstreamTls && has_invalid_data
    }

    /// Returns whether the application cannot have acted on the request.
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
