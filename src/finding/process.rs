//! Checks of a process: its settings, its limits, and who sends it requests.

use std::{net::IpAddr, time::Duration};

use super::check::{Check, Finding, Severity};
use crate::plan::Plan;

/// The idle timeout of an ALB, unless it was changed.
const BALANCER_IDLE: Duration = Duration::from_secs(60);
/// Fewer requests prove nothing.
const MIN_REQUESTS: u64 = 20;
/// A load balancer sends three forwarding headers with each request; a forger rarely with all.
const MIN_HEADERS: u64 = 2;

pub static MEMORY_LIMIT: Check =
    Check { id: "memory-limit", severity: Severity::Error, page: "docs/limits.md#memory" };
pub static CLIENT_ADDRESS: Check = Check {
    id: "client-address",
    severity: Severity::Error,
    page: "docs/troubleshooting.md#wrong-client-address",
};
pub static SETTINGS_WARNING: Check = Check {
    id: "settings-warning",
    severity: Severity::Warning,
    page: "docs/operation.md#commands-and-exit-status",
};
pub static IDLE_TIMEOUT: Check = Check {
    id: "idle-timeout",
    severity: Severity::Warning,
    page: "docs/ecs.md#other-settings-in-the-files",
};
pub static DESCRIPTORS: Check =
    Check { id: "descriptors", severity: Severity::Warning, page: "docs/limits.md#open-files" };

/// Facts about a process, for its checks.
#[derive(Debug)]
pub struct ProcessFacts<'a> {
    /// The settings as they were read, before memory and open files are divided.
    pub plan: &'a Plan,
    /// What `sideman check` warns about.
    pub warnings: Vec<String>,
    /// The memory limit of the container in bytes, if it has one.
    pub container_memory: Option<u64>,
    /// How many files may be open, if that is limited and known.
    pub max_files: Option<u64>,
    /// How many requests were for the application.
    pub requests: u64,
    /// How many forwarding headers of untrusted clients were dropped from these.
    pub headers_dropped: u64,
}

/// Returns what is wrong with a process, errors first.
pub fn of_process(facts: &ProcessFacts<'_>) -> Vec<Finding> {
    let plan = facts.plan;
    let container = facts.container_memory;
    let mut findings: Vec<Finding> = container
        .and_then(|memory| memory_limit(plan, memory, "the container"))
        .into_iter()
        .collect();
    findings.extend(client_address(facts));
    findings.extend(facts.warnings.iter().map(|warning| {
        SETTINGS_WARNING.finding(
            warning,
            "sideman check, with the settings and files here",
            "mend the setting or the file",
        )
    }));
    findings.extend(idle_timeout(plan, false));
    findings.extend(facts.max_files.and_then(|max| open_files(plan, max)));
    findings
}

/// Compares the budgets with the memory of the container.
pub fn memory_limit(plan: &Plan, container: u64, name: &str) -> Option<Finding> {
    let auto = plan.memory;
    let budgets = [
        ("cache.memory", Some(plan.cache.memory).filter(|memory| *memory > 0)),
        ("static.memory", Some(plan.files.memory).filter(|_| !auto.is_static_auto)),
        ("media.memory", Some(plan.media.memory).filter(|_| !auto.is_media_auto)),
        ("buffers.memory", Some(plan.buffers.memory).filter(|_| !auto.is_buffers_auto)),
    ];
    let set: Vec<(&str, u64)> =
        budgets.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))).collect();
    let sum = set.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
    let seen = match plan.memory.limit {
        Some(limit) if limit > container => format!("memory.limit is {}", mebibytes(limit)),
        _ if sum > container => {
            let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
            let are = if names.len() == 1 { "is" } else { "together are" };
            format!("{} {are} {}", names.join(", "), mebibytes(sum))
        }
        _ => return None,
    };
    Some(MEMORY_LIMIT.finding(
        "Sideman may use more memory than its container has, and is then killed",
        format!("{seen}, {name} has {}", mebibytes(container)),
        "leave these settings out, so that Sideman divides the container's memory, or give it more",
    ))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// A proxy in front says who the client is, and is not trusted.
fn client_address(facts: &ProcessFacts<'_>) -> Option<Finding> {
    let ProcessFacts { requests, headers_dropped, .. } = *facts;
    let server = &facts.plan.server;
    let is_untrusted = server.trusted_proxies.is_empty() && server.proxy_protocol.is_empty();
    let is_each =
        requests >= MIN_REQUESTS && headers_dropped >= requests.saturating_mul(MIN_HEADERS);
    (is_untrusted && is_each).then(|| {
        CLIENT_ADDRESS.finding(
            "all clients have the address of the proxy in front, and its scheme is ignored",
            format!(
                "{headers_dropped} forwarding headers of {requests} requests were dropped, and \
                 server.trusted_proxies is none"
            ),
            "set SIDEMAN_TRUSTED_PROXIES to the proxy's networks, such as alb on AWS",
        )
    })
}

/// Sideman must not close an idle connection before an ALB does.
pub fn idle_timeout(plan: &Plan, has_balancer: bool) -> Option<Finding> {
    /// Networks that `alb` has and no subnet of one load balancer.
    const VPCS: [[u8; 4]; 2] = [[10, 0, 0, 0], [100, 64, 0, 0]];
    let server = &plan.server;
    let has = |address: &[u8; 4]| {
        let address = IpAddr::from(*address);
        server.trusted_proxies.iter().any(|one| one.addr() == address && one.prefix_len() <= 10)
    };
    ((has_balancer || VPCS.iter().all(has)) && server.idle_timeout <= BALANCER_IDLE).then(|| {
        IDLE_TIMEOUT.finding(
            "an ALB gets 502 at times, because Sideman closes a connection as the balancer sends on it",
            format!("server.idle_timeout is {} s, the ALB's is 60 s unless you changed it", server.idle_timeout.as_secs_f64()),
            "set SIDEMAN_SERVER__IDLE_TIMEOUT above the load balancer's idle timeout, or leave it out",
        )
    })
}

/// Connections need open files.
fn open_files(plan: &Plan, max: u64) -> Option<Finding> {
    let connections = plan.server.max_connections?;
    (u64::try_from(connections).unwrap_or(u64::MAX) > max).then(|| {
        DESCRIPTORS.finding(
            "connections are refused before server.max_connections is reached",
            format!("server.max_connections is {connections}, the process may open {max} files"),
            "raise the hard limit of nofile to twice server.max_connections",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment, Flags};

    fn plan(variables: &[(&str, &str)]) -> Plan {
        let all = variables.iter().chain(&[("SIDEMAN_UPSTREAM", "http://127.0.0.1:1")]);
        let environment: Environment =
            all.map(|(name, value)| (name.into(), value.into())).collect();
        config::load(&Flags::default(), &environment).unwrap().plan
    }

    fn facts(plan: &Plan) -> ProcessFacts<'_> {
        ProcessFacts {
            plan,
            warnings: Vec::new(),
            container_memory: None,
            max_files: None,
            requests: 0,
            headers_dropped: 0,
        }
    }

    #[test]
    fn a_proxy_that_is_not_trusted_sends_headers_with_each_request() {
        let found = |plan: &Plan, requests, headers_dropped| {
            client_address(&ProcessFacts { requests, headers_dropped, ..facts(plan) }).is_some()
        };
        let none = plan(&[]);
        assert!(found(&none, 100, 300));
        assert!(!found(&none, 100, 20) && !found(&none, 5, 15));
        assert!(!found(&plan(&[("SIDEMAN_TRUSTED_PROXIES", "alb")]), 100, 300));
    }

    #[test]
    fn memory_of_one_setting_is_no_sum() {
        let seen = |variables: &[(&str, &str)]| {
            memory_limit(&plan(variables), 64 << 20, "sideman").unwrap().seen
        };
        let cache = ("SIDEMAN_CACHE", "128MiB");
        assert_eq!(seen(&[cache]), "cache.memory is 128 MiB, sideman has 64 MiB");
        let both = seen(&[cache, ("SIDEMAN_BUFFERS__MEMORY", "32MiB")]);
        assert_eq!(both, "cache.memory, buffers.memory together are 160 MiB, sideman has 64 MiB");
    }

    #[test]
    fn connections_have_open_files() {
        let plan = plan(&[("SIDEMAN_SERVER__MAX_CONNECTIONS", "5000")]);
        assert!(open_files(&plan, 1024).is_some());
        assert!(open_files(&plan, 65_536).is_none());
    }

    #[test]
    fn idle_connections_outlive_those_of_an_alb() {
        let alb = ("SIDEMAN_TRUSTED_PROXIES", "alb");
        let short = ("SIDEMAN_SERVER__IDLE_TIMEOUT", "30s");
        assert!(idle_timeout(&plan(&[alb, short]), false).is_some());
        assert!(
            idle_timeout(&plan(&[alb]), true).is_none()
                && idle_timeout(&plan(&[short]), false).is_none()
        );
    }

    #[test]
    fn errors_are_found_before_warnings() {
        let plan =
            plan(&[("SIDEMAN_MEMORY__LIMIT", "64MiB"), ("SIDEMAN_SERVER__MAX_CONNECTIONS", "500")]);
        let facts = ProcessFacts {
            warnings: vec!["/srv is missing".into()],
            container_memory: Some(48 << 20),
            max_files: Some(256),
            requests: 20,
            headers_dropped: 60,
            ..facts(&plan)
        };
        let ids: Vec<&str> = of_process(&facts).iter().map(|finding| finding.check.id).collect();
        assert_eq!(ids, ["memory-limit", "client-address", "settings-warning", "descriptors"]);
        let healthy = ProcessFacts {
            container_memory: Some(128 << 20),
            max_files: Some(1024),
            ..self::facts(&plan)
        };
        assert_eq!(of_process(&healthy), []);
    }
}
