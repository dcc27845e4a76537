//! The order of starting and stopping, and the times for it.

use std::time::Duration;

use super::{
    facts::{Container, DeploymentKind},
    subject::Subject,
};
use crate::finding::{Check, Finding, Severity};

const STOP_PAGE: &str = "docs/ecs.md#stop-without-losing-a-request";

pub(in crate::command::doctor) static DEPENDS_ON: Check =
    Check { id: "depends-on", severity: Severity::Error, page: STOP_PAGE };
pub(in crate::command::doctor) static STOP_TIME: Check =
    Check { id: "stop-time", severity: Severity::Error, page: STOP_PAGE };
pub(in crate::command::doctor) static DEREGISTRATION_DELAY: Check =
    Check { id: "deregistration-delay", severity: Severity::Warning, page: STOP_PAGE };

/// Sideman must start after the application, because then it stops first.
pub(super) fn depends_on(subject: &Subject<'_>) -> Option<Finding> {
    let Subject { deployment, sideman, .. } = subject;
    let app = subject.application?;
    let (own, other) = (&sideman.name, &app.name);
    let add = match deployment.kind {
        DeploymentKind::TaskDefinition => {
            format!(
                "add {{\"containerName\": \"{other}\", \"condition\": \"START\"}} to dependsOn of {own}"
            )
        }
        DeploymentKind::Compose => format!("add {other} to depends_on of {own}"),
        DeploymentKind::Copilot => format!("add `{other}: start` to depends_on of {own}"),
    };
    let is_first = deployment.is_ordered(other, own);
    if deployment.is_ordered(own, other) {
        let seen = format!("{}: the dependencies of {other} lead to {own}", names(app));
        let (what, remedy) = match is_first {
            true => (
                format!("{own} and {other} depend on each other, so neither of them starts"),
                format!("remove the dependency of {other} on {own}"),
            ),
            false => (
                format!(
                    "{other} depends on {own}, so the application stops while Sideman still has requests"
                ),
                format!("remove that dependency, and {add}"),
            ),
        };
        return Some(DEPENDS_ON.finding(what, seen, remedy));
    }
    // A dependency may be in another service or file.
    let may_inherit = deployment.is_partial || deployment.containers.iter().any(|one| one.inherits);
    if is_first || may_inherit {
        return None;
    }
    Some(DEPENDS_ON.finding(
        format!("{own} does not depend on {other}, so the application may stop while Sideman still has requests"),
        names(sideman),
        add,
    ))
}

fn names(container: &Container) -> String {
    let names: Vec<&str> = container.depends.iter().map(|one| one.on.as_str()).collect();
    match names.is_empty() {
        true => format!("{} depends on no container", container.name),
        false => format!("{} depends on {}", container.name, names.join(", ")),
    }
}

/// A container that stops too slowly is killed with its requests.
pub(super) fn stop_time(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["shutdown.timeout"])?;
    let (timeout, stop) = (plan.shutdown.timeout, subject.sideman.stop?);
    if timeout < stop {
        return None;
    }
    let own = &subject.sideman.name;
    let key = match subject.deployment.kind {
        DeploymentKind::TaskDefinition => Some("stopTimeout"),
        DeploymentKind::Compose => Some("stop_grace_period"),
        DeploymentKind::Copilot => None,
    };
    let (timeout, stop) = (shown(timeout), shown(stop));
    let (limit, remedy) = match key {
        Some(key) => (
            format!("{key} of {own} is {stop}"),
            format!("raise {key} above {timeout}, or lower SIDEMAN_SHUTDOWN__TIMEOUT"),
        ),
        None => (
            format!("ECS kills {own} after {stop}"),
            format!("lower SIDEMAN_SHUTDOWN__TIMEOUT below {stop}"),
        ),
    };
    Some(STOP_TIME.finding(
        "Sideman is killed before it has finished its requests",
        format!("shutdown.timeout is {timeout}, {limit}"),
        remedy,
    ))
}

/// A load balancer that waits for a shorter time than Sideman aborts responses.
pub(super) fn deregistration_delay(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["shutdown.timeout"])?;
    let delay = subject.deployment.balancer.as_ref()?.deregistration?;
    let timeout = plan.shutdown.timeout;
    (delay < timeout).then(|| {
        DEREGISTRATION_DELAY.finding(
            "the load balancer aborts responses that Sideman still sends",
            format!(
                "deregistration_delay is {}, shutdown.timeout is {}",
                shown(delay),
                shown(timeout)
            ),
            format!(
                "raise deregistration_delay to {}, or lower SIDEMAN_SHUTDOWN__TIMEOUT",
                shown(timeout)
            ),
        )
    })
}

fn shown(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
