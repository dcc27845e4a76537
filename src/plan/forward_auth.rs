//! A server that decides whether requests go on.

use std::time::Duration;

use http::HeaderName;

/// The request that an auth server gets for each request of a client, and what is taken of its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// The index in [`Plan::auth_servers`](super::Plan::auth_servers).
    pub server: usize,
    /// Path and query. It begins with `/`.
    pub target: String,
    /// The fields of the response that the application gets, in place of those of the client.
    pub response_headers: Vec<HeaderName>,
    /// How long the server may take, with its queue.
    pub timeout: Duration,
}
