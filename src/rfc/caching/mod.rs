//! HTTP caching as pure functions over heads: RFC 9111, with stale responses (RFC 5861), `immutable` (RFC 8246),
//! targeted fields (RFC 9213), `Cache-Status` (RFC 9211) and cache groups (RFC 9875). Nothing here stores a response or
//! reads a clock.
//!
//! A [`ResponsePolicy`] is made once, when a response arrives. Everything else asks it.

mod cache_status;
#[cfg(test)]
mod comparison;
mod directives;
mod invalidation;
mod policy;
mod statuses;
mod storable;
mod stored_fields;
pub mod structured;
mod tags;
mod targeted;
#[cfg(test)]
mod test_lines;
mod vary_names;

pub use self::{
    cache_status::{CacheStatus, ForwardReason, MEMBER_LENGTH},
    directives::{MAX_SECONDS, RequestDirectives, ResponseDirectives, Restriction, delta_seconds},
    invalidation::{invalidated_targets, invalidates},
    policy::{ExchangeTimes, Freshness, ResponsePolicy, StaleReason},
    storable::{NotStorable, RequestTraits},
    stored_fields::{stored_fields, updated},
    tags::{invalidated_groups, response_tags},
    vary_names::{VaryNames, selecting_value},
};
