//! Finds `upstream.max_in_flight` by itself. A worker of the application that has not begun a request leaves its bytes
//! unread in the kernel. So the busy workers are the requests in flight without those whose bytes are unread, and more
//! requests than that at a server only wait there, where nobody sees them. If the application reads requests before it
//! begins them, or its sockets cannot be seen, the throughput of different limits is compared.
//!
//! - [`sent_requests`]: the sockets of requests that were sent and have no response yet, of each worker thread.
//! - [`socket`]: whether the application has read what was sent on a socket; [`socket_diag`] asks the kernel for TCP.
//! - [`estimate`]: the limit that follows from samples of unread requests. It is arithmetic alone.
//! - [`by_throughput`]: the limit that follows from measurements of [`throughput`]. They are arithmetic alone, too.
//! - [`limit`]: which of both decides.
//! - [`tune`]: takes samples while requests are queued, and changes the limit.

mod by_throughput;
mod estimate;
mod limit;
mod sent_requests;
#[cfg(test)]
mod simulation;
mod socket;
mod socket_diag;
mod throughput;
mod tune;

pub(in crate::upstream) use self::sent_requests::{SentRequest, SentRequests};
pub(super) use self::{limit::AutoLimit, sent_requests::SentSockets};
