//! The cache of the application's responses, shared by all workers. Read [`Cache`] first. Which responses may be stored
//! and used is decided elsewhere (`rfc::caching` and the pipeline): this module only keeps them.
//!
//! - [`entries`] has maps ([`shard`]) from a [`key`] to the stored responses ([`stored`]) of it, one for each
//!   [`variant`]. Keys whose responses may not be stored have a marker for a while ([`markers`]).
//! - [`memory`] is the limit in bytes of everything that is kept or read; [`eviction`] selects the response to drop.
//!   [`collector`] receives a body that is to be stored, in memory or in a file.
//! - A purge walks no entries: it marks a slot of [`generations`], which each find compares. [`tags`] says which slots
//!   belong to a response.
//! - [`flight`] lets requests for the same response wait for one of them.
//! - [`forms`] are compressed bodies, made in the background once a client has asked for one.

mod collector;
mod entries;
mod eviction;
mod flight;
mod forms;
mod generations;
mod key;
mod markers;
mod memory;
#[cfg(test)]
mod model_tests;
mod response_cache;
mod shard;
mod stored;
mod tags;
#[cfg(test)]
mod trace_tests;
mod variant;

pub use self::{
    collector::BodyCollector,
    entries::{Found, PurgeState},
    flight::{FlightKey, FlightLeader, FlightResult, Joined},
    generations::Generation,
    key::CacheKey,
    memory::BodyReservation,
    response_cache::{Cache, CacheLimits, PASS_TIME},
    stored::{StoredBody, StoredParts, StoredResponse},
    tags::{PurgeMode, PurgeTarget, TagSlots},
    variant::Variant,
};
