//! The values of labels about the health of the application and its servers.

/// Why a server got no requests for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EjectionCause {
    /// It did not accept connections.
    Refused,
    /// It closed connections without a response.
    Closed,
    /// It did not respond in time.
    Timeout,
    /// It responded with a status of `upstream.eject_on`.
    Status,
    /// It failed a probe.
    Probe,
    /// It speaks another protocol.
    Protocol,
}

/// The result of a check whether the application is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadinessResult {
    Passed,
    /// A status other than 2xx.
    Status,
    /// No response in time.
    Timeout,
    /// No connection.
    Refused,
    /// The connection ended, or the response was not valid.
    Invalid,
}

// === impl EjectionCause ===

impl EjectionCause {
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::Closed, Self::Timeout, Self::Status, Self::Probe, Self::Protocol];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Probe => "probe",
            Self::Protocol => "protocol",
        }
    }

    /// Whether the server accepts connections and is ejected because of its responses.
    pub fn is_of_a_reachable_server(self) -> bool {
        match self {
            Self::Closed | Self::Timeout | Self::Status | Self::Probe => true,
            Self::Refused | Self::Protocol => false,
        }
    }
}

// === impl ReadinessResult ===

impl ReadinessResult {
    pub const ALL: [Self; 5] =
        [Self::Passed, Self::Status, Self::Timeout, Self::Refused, Self::Invalid];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Status => "status",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }
}
