//! Checks the health checks of the container and of the load balancer.

use clap::Parser as _;

use super::{expand::UNKNOWN, listeners::listeners, subject::Subject};
use crate::{
    command::args::{Cli, Command},
    config::masked_url,
    finding::{Check, Finding, Severity},
};

const PAGE: &str = "docs/troubleshooting.md#the-health-check-is-red";

pub(in crate::command::doctor) static HEALTH_COMMAND: Check =
    Check { id: "health-command", severity: Severity::Error, page: PAGE };
pub(in crate::command::doctor) static HEALTH_PATH: Check =
    Check { id: "health-path", severity: Severity::Error, page: PAGE };

/// The image has one program, no shell and no curl.
pub(super) fn health_command(subject: &Subject<'_>) -> Option<Finding> {
    let words = &subject.sideman.health;
    let [kind, command @ ..] = words.as_slice() else { return None };
    let is_unknown = words.iter().any(|word| word.contains(UNKNOWN));
    if !subject.sideman.has_own_image() || is_unknown || kind == "NONE" {
        return None;
    }
    // The words themselves may have a password.
    let fault = match command {
        [program, arguments @ ..] if kind == "CMD" && program == "/sideman" => {
            let words = ["sideman"].into_iter().chain(arguments.iter().map(String::as_str));
            match Cli::try_parse_from(words).map(|cli| cli.command) {
                Ok(Some(Command::Healthcheck(check))) => return wrong_url(subject, &check.url?),
                // Another command may be meant.
                Ok(_) => return None,
                Err(_) => "its arguments are not those of sideman healthcheck",
            }
        }
        [] => "it has no command",
        _ if kind == "CMD" => "its program is not /sideman, and the image has no other",
        _ => "it is a command for a shell, and the image has none",
    };
    Some(HEALTH_COMMAND.finding(
        "the health check of Sideman always fails",
        format!("the health check of {}: {fault}", subject.sideman.name),
        "use [\"CMD\", \"/sideman\", \"healthcheck\"]",
    ))
}

fn wrong_url(subject: &Subject<'_>, url: &str) -> Option<Finding> {
    let plan = subject.settings.plan(&["server.listen", "health.path", "health.ready_path"])?;
    let (authority, path) = url.strip_prefix("http://")?.split_once('/')?;
    let path = format!("/{path}");
    let port: u16 = authority.rsplit_once(':').map_or(Some(80), |(_, port)| port.parse().ok())?;
    let knows_port = listeners(plan).any(|address| address.port() == port);
    if knows_port && [&plan.health.path, &plan.health.ready_path].contains(&&path) {
        return None;
    }
    Some(HEALTH_COMMAND.finding(
        "the health check of Sideman asks at another address than its own",
        format!("its URL is {}, health.path is {}", masked_url(url), plan.health.path),
        "leave the URL out: sideman healthcheck finds it by the settings",
    ))
}

/// The load balancer checks a path that Sideman answers itself.
pub(super) fn health_path(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["health.path", "health.ready_path"])?;
    let balancer = subject.deployment.balancer.as_ref()?;
    if balancer.container != subject.sideman.name {
        return None;
    }
    let path = balancer.health_path.as_deref().unwrap_or("/");
    let own = &plan.health.path;
    if path == own || path == plan.health.ready_path {
        return None;
    }
    // A path of the application may be right, if it accepts every host there.
    let is_meant = path == "/"
        || path.trim_end_matches('/') == own.trim_end_matches('/')
        || path == "/healthz";
    is_meant.then(|| {
        HEALTH_PATH.finding(
            "the load balancer's health check goes to Django, which refuses its Host",
            format!("the path is {path}, health.path of Sideman is {own}"),
            format!("set the path of the health check to {own}"),
        )
    })
}
