//! Divides the memory limit of the process among files, bodies, request heads and connections, so that none of them
//! uses memory that another one needs.

use super::cgroup::MemoryGroup;
use crate::plan::Plan;

/// The default limit, if neither the settings nor the system have one.
const DEFAULT_LIMIT: u64 = 512 * MIB;
/// The part of a container's limit that is used. The rest is for the page cache, which holds the program itself too.
const CONTAINER_SHARE: (u64, u64) = (4, 5);
/// The same, as a divisor, if the application is in the container too: most of it belongs to the application.
const BESIDE_APPLICATION: u64 = 4;
/// An idle connection, with what the kernel needs for it (measured: 2.6 KiB and 3.8 KiB).
const CONNECTION_SIZE: u64 = 6656;
/// Minimum number of connections, even with very little memory.
const MIN_CONNECTIONS: u64 = 256;

const MIB: u64 = 1 << 20;

/// The share of each part, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryDivision {
    limit: u64,
    /// The source of the limit.
    source: &'static str,
    cache: u64,
    files: u64,
    media: u64,
    bodies: u64,
    heads: u64,
    /// The number of idle connections that fit in half of what the cache leaves.
    pub(super) connections: u64,
}

/// Lowers the shares of a plan that are `auto`; their initial values are the maximum.
pub(super) fn divide(plan: &mut Plan, container: Option<&MemoryGroup>) -> MemoryDivision {
    let (limit, source) = match (plan.memory.limit, container) {
        (Some(limit), _) => (limit, "memory.limit"),
        (None, Some(group)) => part_of(group.limit, group.is_shared),
        (None, None) => (DEFAULT_LIMIT, "default"),
    };
    // The cache is as large as its setting says; the other parts share the rest.
    let cache = plan.cache.memory;
    let rest = limit.saturating_sub(cache).max(limit / 2);
    let memory = &mut plan.memory;
    if memory.is_static_auto {
        plan.files.memory = plan.files.memory.min(rest / 8);
    }
    if memory.is_media_auto {
        plan.media.memory = plan.media.memory.min(rest / 32);
    }
    if memory.is_buffers_auto {
        plan.buffers.memory = plan.buffers.memory.min(rest / 16 * 3);
        plan.buffers.memory_per_body = plan.buffers.memory_per_body.min(plan.buffers.memory);
    }
    memory.heads = memory.heads.min(rest / 8);
    memory.limit = Some(limit);
    MemoryDivision {
        limit,
        source,
        cache,
        files: plan.files.memory,
        media: plan.media.memory,
        bodies: plan.buffers.memory,
        heads: memory.heads,
        connections: (rest / 2 / CONNECTION_SIZE).max(MIN_CONNECTIONS),
    }
}

/// Returns the part of a container's limit that is used, and its name.
fn part_of(limit: u64, is_shared: bool) -> (u64, &'static str) {
    match is_shared {
        false => (limit / CONTAINER_SHARE.1 * CONTAINER_SHARE.0, "container"),
        true => {
            (DEFAULT_LIMIT.min(limit / BESIDE_APPLICATION), "container, beside the application")
        }
    }
}

// === impl MemoryDivision ===

impl MemoryDivision {
    /// Logs the shares, with a warning if they exceed the limit.
    pub(super) fn report(&self) {
        let Self { limit, source, cache, files, media, bodies, heads, connections } = *self;
        tracing::info!(
            limit,
            source,
            cache,
            files,
            media,
            bodies,
            heads,
            connections,
            "memory shares"
        );
        if cache > limit / 2 || cache + files + media + bodies + heads > limit {
            tracing::warn!(
                limit,
                source,
                "cache.memory exceeds half of memory.limit, or cache.memory, static.memory, media.memory and \
                 buffers.memory together exceed it; lower them, remove them, or give the container more memory"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags, load};
    use proptest::prelude::*;

    fn plan(settings: &[(&str, &str)]) -> Plan {
        let all = settings.iter().chain(&[("SIDEMAN_UPSTREAM", "http://127.0.0.1:1")]);
        let environment: Environment =
            all.map(|(name, value)| (name.into(), value.into())).collect();
        load(&Flags::default(), &environment).unwrap().plan
    }

    #[test]
    fn without_a_container_there_is_as_much_as_ever() {
        let mut plan = plan(&[]);
        let division = divide(&mut plan, None);
        assert_eq!((division.limit, division.source), (512 * MIB, "default"));
        assert_eq!((plan.files.memory, plan.media.memory), (64 * MIB, 16 * MIB));
        assert_eq!((plan.buffers.memory, plan.buffers.memory_per_body), (64 * MIB, 256 * 1024));
        assert!(division.connections > 10_000);
    }

    #[test]
    fn application_in_the_same_container_gets_most_of_it() {
        assert_eq!(part_of(512 * MIB, true).0, 128 * MIB);
        assert_eq!(part_of(64 * 1024 * MIB, true).0, 512 * MIB);
        assert!(part_of(512 * MIB, false).0 > 400 * MIB);
    }

    #[test]
    fn configured_sizes_are_kept() {
        let mut plan = plan(&[
            ("SIDEMAN_MEMORY__LIMIT", "64MiB"),
            ("SIDEMAN_STATIC__MEMORY", "60MiB"),
            ("SIDEMAN_STATIC", "/static/=/srv"),
        ]);
        let division = divide(&mut plan, None);
        assert_eq!((plan.files.memory, plan.media.memory), (60 * MIB, 2 * MIB));
        assert_eq!((plan.buffers.memory, division.heads), (12 * MIB, 8 * MIB));
        assert_eq!((division.source, division.connections), ("memory.limit", 5041));
    }

    proptest! {
        #[test]
        fn the_parts_are_no_more_than_there_is(limit in 32 * MIB..1 << 50, share in 0..=50u64) {
            let mut plan = plan(&[]);
            plan.memory.limit = Some(limit);
            plan.cache.memory = limit / 100 * share;
            let MemoryDivision { cache, files, media, bodies, heads, connections, .. } = divide(&mut plan, None);
            prop_assert!(cache + files + media + bodies + heads + connections * CONNECTION_SIZE <= limit);
            prop_assert!(plan.buffers.memory_per_body <= plan.buffers.memory);
        }
    }
}
