//! One application as the whole process sees it: its servers, how many requests they may have, and the
//! queue before them. Shared by all workers; what each request touches are a few atomic numbers, the
//! locks are for requests that have to wait and for servers that come and go.
//!
//! [`Backends::admit`] gives a request its permit, [`Backends::supervise`] runs beside the workers: it alone asks
//! name servers, and tries servers that are unavailable, while everybody else waits in the queue. A server that was never
//! understood is asked in the other protocol when requests fail there (`mismatch`).

mod admit;
mod mismatch;
mod protocol;
mod queue;
#[cfg(test)]
mod schedules;
mod server;
mod state;
mod supervisor;

pub use self::state::Backends;
pub(super) use self::{
    server::{ServerAddress, UpstreamServer},
    state::ServerPermit,
};
