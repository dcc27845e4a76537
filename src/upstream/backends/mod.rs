//! One application as the whole process sees it: its servers, their limits of concurrent requests, and the queue. All
//! workers share it. A request touches only a few atomic numbers. The locks are for requests that have to wait and for
//! changes of the servers.
//!
//! [`Backends::admit`] gives a request its permit. [`Backends::supervise`] runs beside the workers. It alone asks name
//! servers and probes unavailable servers, while all requests wait in the queue. If requests fail at a server whose
//! protocol is not proven, the server is probed in the other protocol (`mismatch`).

mod admit;
mod auto_limit;
mod ejected;
mod mismatch;
mod overview;
mod probes;
mod protocol;
mod queue;
mod readiness;
mod readiness_state;
#[cfg(test)]
mod schedules;
mod server;
mod share;
mod slow_start;
mod state;
mod supervisor;
mod trouble;

pub(super) use self::{
    auto_limit::{SentRequest, SentRequests},
    server::{ServerAddress, UpstreamServer},
    state::ServerPermit,
};
pub use self::{state::Backends, trouble::Trouble};
