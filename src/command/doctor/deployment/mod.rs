//! Checks of a deployment by its file. Each check is a function of a `subject`, what the file says.

mod capacity;
mod compose;
mod container_settings;
mod copilot;
mod expand;
mod facts;
mod idle;
mod order;
mod reach;
mod read_json;
mod subject;
mod task_definition;
mod volumes;
mod yaml;

use std::{fs, path::Path};

use crate::config::Environment;

use crate::finding::{Check, Finding, Severity};
#[cfg(test)]
use crate::finding::{DESCRIPTORS, IDLE_TIMEOUT, MEMORY_LIMIT};

use super::examination::Examination;
#[cfg(test)]
use super::workers::WORKERS;

pub(super) use self::{capacity::UWSGI_BUFFER, facts::DeploymentKind};

use self::subject::Subject;

/// Longer files are no deployments.
const MAX_FILE: u64 = 4 << 20;

static SETTINGS: Check =
    Check { id: "settings", severity: Severity::Error, page: "docs/settings.md" };

/// The checks of files.
#[cfg(test)]
pub(super) static CHECKS: [&Check; 20] = [
    &SETTINGS,
    &order::DEPENDS_ON,
    &order::STOP_TIME,
    &order::DEREGISTRATION_DELAY,
    &reach::LISTEN_PORT,
    &reach::APPLICATION_ADDRESS,
    &reach::HEALTH_COMMAND,
    &reach::HEALTH_PATH,
    &reach::BALANCER_TARGET,
    &reach::TRUSTED_PROXIES,
    &IDLE_TIMEOUT,
    &volumes::FILES_MISSING,
    &volumes::FILES_WRITABLE,
    &volumes::SOCKET_MISSING,
    &volumes::SPILL_IN_MEMORY,
    &MEMORY_LIMIT,
    &DESCRIPTORS,
    &WORKERS,
    &UWSGI_BUFFER,
    &capacity::GUNICORN_ARGS,
];

/// Checks a file. The error says why it cannot be read.
pub(super) fn examine(
    kind: DeploymentKind,
    path: &Path,
    environment: &Environment,
) -> Result<Examination, String> {
    let fault = |fault: String| format!("{}: {fault}", path.display());
    let text = read(path).map_err(fault)?;
    let deployments = match kind {
        DeploymentKind::TaskDefinition => task_definition::read(&text).map(|one| vec![one]),
        DeploymentKind::Compose => {
            let values = expand::Values::new(environment, read(&path.with_file_name(".env")).ok());
            compose::read(&text, &values).map(|one| vec![one])
        }
        DeploymentKind::Copilot => copilot::read(&text, path),
    };
    let deployments = deployments.map_err(fault)?;
    let mut examination = Examination::default();
    for deployment in &deployments {
        let sidemen = deployment.sidemen();
        if sidemen.is_empty() {
            let text = "no container runs Sideman: none has its image or variables SIDEMAN_*, or is called sideman";
            return Err(fault(text.into()));
        }
        for sideman in sidemen {
            examination.findings.extend(check(&Subject::new(deployment, sideman)));
        }
    }
    Ok(examination)
}

fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("is {size} bytes long, and cannot be a deployment"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Runs all checks.
fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let one: [fn(&Subject<'_>) -> Option<Finding>; 17] = [
        order::depends_on,
        order::stop_time,
        order::deregistration_delay,
        reach::listen_port,
        reach::application_address,
        reach::health_command,
        reach::health_path,
        reach::balancer_target,
        reach::trusted_proxies,
        idle::idle_timeout,
        volumes::files_writable,
        volumes::socket_missing,
        volumes::spill_in_memory,
        capacity::memory_limit,
        capacity::descriptors,
        capacity::workers,
        capacity::uwsgi_buffer,
    ];
    let mut findings: Vec<Finding> = settings(subject);
    findings.extend(one.into_iter().filter_map(|check| check(subject)));
    findings.extend(volumes::files_missing(subject));
    findings.extend(capacity::gunicorn_args(subject));
    findings
}

/// Problems that `sideman run` would refuse to start with.
fn settings(subject: &Subject<'_>) -> Vec<Finding> {
    let name = &subject.sideman.name;
    let finding = |problem: &String| {
        SETTINGS.finding(
            format!("Sideman does not start: {problem}"),
            format!("the command and the variables of {name}"),
            "mend the setting; sideman check reads the same variables",
        )
    };
    subject.settings.problems.iter().map(finding).collect()
}
