//! What the parts above know of the applications, for the status.

use std::time::Duration;

/// The state of all applications together.
#[derive(Clone, Debug, Default)]
pub struct ApplicationStatus {
    /// How long the oldest request in a queue has waited.
    pub oldest_wait: Option<Duration>,
    pub servers: Vec<ServerStatus>,
}

/// The state of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its address.
    pub name: String,
    /// Why it is unavailable, if it is.
    pub outage: Option<String>,
    /// How long it has been available or unavailable.
    pub time: Duration,
    /// Requests that it works on.
    pub in_flight: usize,
}
