//! Finds `upstream.max_in_flight` by itself. A worker of the application that has not begun a request leaves its bytes
//! unread in the kernel. So the busy workers are the requests in flight without those whose bytes are unread, and more
//! requests than that at a server only wait there, where nobody sees them.
//!
//! - [`sent_requests`]: the sockets of requests that were sent and have no response yet, of each worker thread.
//! - [`socket`]: whether the application has read what was sent on a socket; [`socket_diag`] asks the kernel for TCP.
//! - [`estimate`]: the limit that follows from samples. It is arithmetic alone.
//! - [`tune`]: takes samples while requests are queued, and changes the limit.

mod estimate;
mod sent_requests;
mod socket;
mod socket_diag;
mod tune;

pub(in crate::upstream) use self::sent_requests::{SentRequest, SentRequests};
pub(super) use self::{estimate::LimitEstimate, sent_requests::SentSockets};
