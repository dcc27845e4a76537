//! The idle timeout against that of a load balancer of AWS.

use std::{net::IpAddr, time::Duration};

use super::subject::Subject;
use crate::{
    command::doctor::finding::{Check, Finding, Severity},
    plan::Plan,
};

/// The idle timeout of an ALB, unless it was changed.
const BALANCER_IDLE: Duration = Duration::from_secs(60);

pub(in crate::command::doctor) static IDLE_TIMEOUT: Check = Check {
    id: "idle-timeout",
    severity: Severity::Warning,
    page: "docs/ecs.md#other-settings-in-the-files",
};

/// Checks the settings of a container.
pub(super) fn idle_timeout(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["server.trusted_proxies", "server.idle_timeout"])?;
    idle_finding(plan, subject.deployment.balancer.is_some())
}

/// Sideman must not close an idle connection before an ALB does.
pub(in crate::command::doctor) fn idle_finding(plan: &Plan, has_balancer: bool) -> Option<Finding> {
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

    #[test]
    fn idle_connections_outlive_those_of_an_alb() {
        let alb = ("SIDEMAN_TRUSTED_PROXIES", "alb");
        let short = ("SIDEMAN_SERVER__IDLE_TIMEOUT", "30s");
        assert!(idle_finding(&plan(&[alb, short]), false).is_some());
        assert!(
            idle_finding(&plan(&[alb]), true).is_none()
                && idle_finding(&plan(&[short]), false).is_none()
        );
    }
}
