//! Divides the open files that the process may have (`ulimits.nofile`) among clients, the application and files. No
//! part may use files that another one needs.

use std::{io::stderr, os::fd::AsFd as _};

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Resource, getrlimit},
};

use crate::plan::{FileSettings, Plan, UpstreamSettings};

/// Open files of the process itself: standard streams, the admin listener and its connections, signals, threads.
const PROCESS_FILES: u64 = 24;
/// Open files of each worker.
const WORKER_FILES: u64 = 4;
/// Maximum default number of connections; more descriptors or memory do not raise it.
const MAX_CONNECTIONS: u64 = 10_000;
/// Minimum number of idle connections to each server for each worker. Without any, each request opens a connection.
const MIN_IDLE: usize = 4;

/// Above this size the kernel's table grows on demand, because growing it early costs memory, 8 bytes for each file.
const MAX_RESERVED: u64 = 16_384;

/// The shares of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DescriptorDivision {
    limit: u64,
    process: u64,
    files: u64,
    connections: u64,
    /// Maximum number of requests at all applications together.
    in_flight: u64,
    /// The value of the setting.
    wanted: u64,
}

/// Applies the limit of open files to a plan: `server.max_connections` if it is `auto`, and `upstream.max_in_flight` if
/// it is too high. `connections` is the number that memory allows.
pub(super) fn divide(
    plan: &mut Plan,
    workers: usize,
    connections: u64,
) -> Option<DescriptorDivision> {
    let limit = getrlimit(Resource::Nofile).current;
    let max = connections.min(MAX_CONNECTIONS);
    if limit.is_none() {
        plan.server.max_connections.get_or_insert(count_of(max));
    }
    limit.map(|limit| divide_limit(plan, limit, workers, max))
}

fn divide_limit(
    plan: &mut Plan,
    limit: u64,
    workers: usize,
    most_connections: u64,
) -> DescriptorDivision {
    let listeners = plan.server.listen.len() + usize::from(plan.tls.is_some());
    let process = PROCESS_FILES + WORKER_FILES * number(workers) + number(listeners);
    // For both stores of files, and the cache.
    let stores = 2 + u64::from(plan.cache.is_on());
    let files = stores * FileSettings::most_descriptors(limit);
    let rest = limit.saturating_sub(process + files);
    // Each client may need a connection to the application. Event streams and WebSockets need one too, and are not
    // counted as requests in flight.
    let half = rest / 2;
    let connections = match plan.server.max_connections {
        Some(set) => number(set),
        None => half.clamp(1, most_connections),
    };
    plan.server.max_connections = Some(count_of(connections));
    let max = rest.saturating_sub(connections).max(half).max(1);

    let all = |plan: &Plan, count: fn(&UpstreamSettings) -> usize| {
        let upstreams = plan.routed.iter().chain(&plan.auth_servers).chain([&plan.upstream]);
        upstreams.map(|one| number(count(one))).fold(0, u64::saturating_add)
    };
    let in_flight =
        |one: &UpstreamSettings| one.admission.max_in_flight.saturating_mul(one.targets.len());
    let idle = |one: &UpstreamSettings| one.max_idle.saturating_mul(one.targets.len());
    let wanted = all(plan, in_flight);
    for_each(plan, |one| {
        let lowered = scaled(one.admission.max_in_flight, max, wanted);
        one.admission.max_in_flight = lowered.max(1);
    });
    let in_flight = all(plan, in_flight);
    let (kept, left) =
        (all(plan, idle).saturating_mul(number(workers)), max.saturating_sub(in_flight));
    for_each(plan, |one| {
        one.max_idle = scaled(one.max_idle, left, kept).max(one.max_idle.min(MIN_IDLE));
    });
    DescriptorDivision { limit, process, files, connections, in_flight, wanted }
}

fn for_each(plan: &mut Plan, change: impl Fn(&mut UpstreamSettings)) {
    plan.routed.iter_mut().chain(&mut plan.auth_servers).for_each(&change);
    change(&mut plan.upstream);
}

/// Returns a part of `all` if only `max` of it is available.
fn scaled(part: usize, max: u64, all: u64) -> usize {
    if all <= max {
        return part;
    }
    let scaled = number(part) as u128 * u128::from(max) / u128::from(all.max(1));
    usize::try_from(scaled).unwrap_or(part)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn count_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

// === impl DescriptorDivision ===

impl DescriptorDivision {
    /// Makes the kernel grow its table of open files now. Whenever the table doubles, each thread that opens or accepts
    /// something waits for all processors. On a busy machine that takes tens of milliseconds, at the moment when many
    /// clients connect.
    pub(super) fn reserve(&self) {
        let Self { limit, process, connections, in_flight, .. } = *self;
        let max = (process + connections.saturating_add(in_flight)).min(limit).min(MAX_RESERVED);
        let last = i32::try_from(max.saturating_sub(1)).unwrap_or_default();
        // The file is closed at once; the table keeps its size. A failure only costs time later.
        drop(fcntl_dupfd_cloexec(stderr().as_fd(), last));
    }

    /// Logs the shares, with advice if a share is smaller than its setting.
    pub(super) fn report(&self) {
        let Self { limit, process, files, connections, in_flight, wanted } = *self;
        tracing::info!(limit, connections, in_flight, files, process, "shares of open files");
        if in_flight < wanted {
            let needed = (process + 2 * wanted.min(u64::MAX / 64)) * 8 / 7 + 1;
            tracing::warn!(
                limit,
                wanted,
                in_flight,
                needed,
                "too few open files for upstream.max_in_flight: it is lowered, and more requests are queued; \
                 raise the limit of open files (ulimits.nofile)"
            );
        } else if process + files + connections + in_flight > limit {
            tracing::warn!(
                limit,
                connections,
                in_flight,
                files,
                process,
                "server.max_connections and upstream.max_in_flight together need more open files than there \
                 are: lower \
                 server.max_connections, or raise the limit of open files (ulimits.nofile)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags, load};
    use proptest::prelude::*;

    fn plan(connections: Option<usize>, in_flight: usize) -> Plan {
        let variables = [
            ("SIDEMAN_UPSTREAM", "http://127.0.0.1:1"),
            ("SIDEMAN_ROUTE__API__UPSTREAM", "http://127.0.0.1:2"),
        ];
        let environment: Environment =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut plan = load(&Flags::default(), &environment).unwrap().plan;
        plan.server.max_connections = connections;
        plan.upstream.admission.max_in_flight = in_flight;
        plan.routed[0].admission.max_in_flight = 10;
        plan
    }

    #[test]
    fn clients_and_the_application_get_as_many_each() {
        for (limit, connections, in_flight, is_lowered) in [
            (0, 1, 2, true),
            (64, 13, 13, true),
            (128, 43, 43, true),
            (256, 103, 100, true),
            (300, 124, 110, false),
            (1024, 431, 110, false),
            (65_535, 10_000, 110, false),
            (u64::MAX, 10_000, 110, false),
        ] {
            let mut plan = plan(None, 100);
            let division = divide_limit(&mut plan, limit, 2, MAX_CONNECTIONS);
            assert_eq!(division.connections, connections, "{limit}");
            assert_eq!(plan.server.max_connections, Some(count_of(connections)), "{limit}");
            assert!(division.in_flight.abs_diff(in_flight) <= 3, "{limit} {division:?}");
            assert_eq!(division.in_flight < division.wanted, is_lowered, "{limit} {division:?}");
        }
    }

    #[test]
    fn configured_limits_are_kept_where_possible() {
        let mut many = plan(Some(1000), 100);
        let division = divide_limit(&mut many, 256, 2, MAX_CONNECTIONS);
        assert_eq!((division.connections, many.server.max_connections), (1000, Some(1000)));
        let mut few = plan(Some(20), 100);
        let division = divide_limit(&mut few, 256, 2, MAX_CONNECTIONS);
        assert_eq!((division.connections, division.in_flight), (20, 110));
        let kept = few.upstream.max_idle;
        assert!((MIN_IDLE..32).contains(&kept), "{kept} of what is left");
        let mut unlimited = plan(None, 100);
        divide_limit(&mut unlimited, u64::MAX, 2, MAX_CONNECTIONS);
        assert_eq!(unlimited.upstream, plan(None, 100).upstream);
    }

    proptest! {
        #[test]
        fn the_parts_are_no_more_than_there_is(
            limit in prop_oneof![0_u64..2000, any::<u64>()],
            in_flight in prop_oneof![1_usize..2000, any::<usize>().prop_map(|max| max.max(1))],
            workers in 1_usize..64,
            has_cache in any::<bool>(),
        ) {
            let mut plan = plan(None, in_flight);
            plan.cache.memory = u64::from(has_cache);
            let division = divide_limit(&mut plan, limit, workers, MAX_CONNECTIONS);
            prop_assert!(division.connections >= 1 && division.in_flight >= 2);
            prop_assert!(division.in_flight <= division.wanted);
            let DescriptorDivision { process, files, connections, in_flight, .. } = division;
            let parts = process.saturating_add(files).saturating_add(connections);
            // At least one for each application.
            prop_assert!(parts.saturating_add(in_flight) <= limit.max(process + files + 3));
            division.report();
        }
    }
}
