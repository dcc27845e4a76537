//! Checks of the process: its settings, its limits, and who sends it requests.

use super::metrics::Metrics;
use crate::{
    command::doctor::{
        deployment::DESCRIPTORS,
        finding::{Check, Finding, Severity},
    },
    config::{self, LoadedSettings},
    plan::Plan,
};

/// Fewer requests prove nothing.
const MIN_REQUESTS: f64 = 20.0;
/// A load balancer sends three forwarding headers with each request; a forger rarely with all.
const MIN_HEADERS: f64 = 2.0;

pub(in crate::command::doctor) static SETTINGS_WARNING: Check = Check {
    id: "settings-warning",
    severity: Severity::Warning,
    page: "docs/operation.md#commands-and-exit-status",
};
pub(in crate::command::doctor) static CLIENT_ADDRESS: Check = Check {
    id: "client-address",
    severity: Severity::Error,
    page: "docs/troubleshooting.md#wrong-client-address",
};
/// What `sideman check` warns about.
pub(super) fn settings(loaded: &LoadedSettings) -> Vec<Finding> {
    let warnings = config::warnings(loaded).into_iter();
    let finding = |warning: String| {
        SETTINGS_WARNING.finding(
            warning,
            "sideman check, with the settings and files here",
            "mend the setting or the file",
        )
    };
    warnings.map(finding).collect()
}

/// A proxy in front says who the client is, and is not trusted.
pub(super) fn client_address(plan: &Plan, metrics: &Metrics) -> Option<Finding> {
    let requests = metrics.sum("sideman_requests_total", "route=\"proxy\"");
    let dropped = metrics.sum("sideman_request_headers_dropped_total", "");
    let is_untrusted =
        plan.server.trusted_proxies.is_empty() && plan.server.proxy_protocol.is_empty();
    let is_each = requests >= MIN_REQUESTS && dropped >= requests * MIN_HEADERS;
    (is_untrusted && is_each).then(|| {
        CLIENT_ADDRESS.finding(
            "all clients have the address of the proxy in front, and its scheme is ignored",
            format!("{dropped} forwarding headers of {requests} requests were dropped, and server.trusted_proxies is none"),
            "set SIDEMAN_TRUSTED_PROXIES to the proxy's networks, such as alb on AWS",
        )
    })
}

/// Connections need open files.
pub(super) fn open_files(plan: &Plan, metrics: &Metrics) -> Option<Finding> {
    let connections = plan.server.max_connections?;
    let limit = metrics.sum("process_max_fds", "");
    let wanted = u32::try_from(connections).map_or(f64::MAX, f64::from);
    (limit > 0.0 && wanted > limit).then(|| {
        DESCRIPTORS.finding(
            "connections are refused before server.max_connections is reached",
            format!("server.max_connections is {connections}, the process may open {limit} files"),
            "raise the hard limit of nofile to twice server.max_connections",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};

    fn plan(variables: &[(&str, &str)]) -> Plan {
        let all = variables.iter().chain(&[("SIDEMAN_UPSTREAM", "http://127.0.0.1:1")]);
        let environment: Environment =
            all.map(|(name, value)| (name.into(), value.into())).collect();
        config::load(&Flags::default(), &environment).unwrap().plan
    }

    #[test]
    fn a_proxy_that_is_not_trusted_sends_headers_with_each_request() {
        let metrics = |requests: u32, dropped: u32| {
            Metrics::of_text(&format!(
                "sideman_requests_total{{route=\"proxy\",status=\"2xx\"}} {requests}\n\
                 sideman_requests_total{{route=\"static\",status=\"2xx\"}} 900\n\
                 sideman_request_headers_dropped_total {dropped}\n"
            ))
        };
        let found = |plan: &Plan, requests, dropped| {
            client_address(plan, &metrics(requests, dropped)).is_some()
        };
        let none = plan(&[]);
        assert!(found(&none, 100, 300));
        assert!(!found(&none, 100, 20) && !found(&none, 5, 15));
        assert!(!found(&plan(&[("SIDEMAN_TRUSTED_PROXIES", "alb")]), 100, 300));
    }

    #[test]
    fn connections_have_open_files() {
        let plan = plan(&[("SIDEMAN_SERVER__MAX_CONNECTIONS", "5000")]);
        assert!(open_files(&plan, &Metrics::of_text("process_max_fds 1024\n")).is_some());
        assert!(open_files(&plan, &Metrics::of_text("process_max_fds 65536\n")).is_none());
        assert!(open_files(&plan, &Metrics::of_text("")).is_none());
    }
}
