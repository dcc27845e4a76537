//! Checks of a deployment by its file. Each check is a function of a `subject`, what the file says.

mod capacity;
mod compose;
mod container_settings;
mod copilot;
mod expand;
mod facts;
mod health;
mod idle;
mod listeners;
mod order;
mod reach;
mod read_json;
mod sideman_command;
mod subject;
mod task_definition;
mod volumes;
mod yaml;

use std::{fs, io::Read as _, path::Path};

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
    &health::HEALTH_COMMAND,
    &health::HEALTH_PATH,
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
            // One that is missing is empty.
            let variables = bytes(&path.with_file_name(".env")).unwrap_or_default();
            let variables = String::from_utf8_lossy(&variables);
            let values = expand::Values::new(environment, &variables);
            compose::read(&text, &values).map(|one| vec![one])
        }
        DeploymentKind::Copilot => copilot::read(&text, path),
    };
    let deployments = deployments.map_err(fault)?;
    let mut examination = Examination::default();
    let mut is_there = false;
    for deployment in &deployments {
        for sideman in deployment.sidemen() {
            is_there = true;
            for mut finding in check(&Subject::new(deployment, sideman)) {
                if examination.findings.contains(&finding) {
                    continue;
                }
                if let Some(name) = &deployment.environment {
                    finding.seen += &format!(", in the environment {name}");
                }
                examination.findings.push(finding);
            }
        }
    }
    if !is_there {
        let text = "no container runs Sideman: none has its image or variables SIDEMAN_*, or is called sideman";
        return Err(fault(text.into()));
    }
    Ok(examination)
}

fn read(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(bytes(path)?).map_err(|_| "is not a text in UTF-8".to_owned())?;
    // Some editors write a mark of the encoding, which is no part of the text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a file, or what another program writes to `/dev/stdin`. Elsewhere a pipe may have no writer.
fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let fault = |error: std::io::Error| error.to_string();
    if !path.starts_with("/dev") && !fs::metadata(path).map_err(fault)?.is_file() {
        return Err("is not a file".into());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(fault)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fault)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= MAX_FILE => Ok(bytes),
        _ => Err(format!("is longer than {MAX_FILE} bytes, and cannot be a deployment")),
    }
}

/// Runs all checks.
fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let one: [fn(&Subject<'_>) -> Option<Finding>; 17] = [
        order::depends_on,
        order::stop_time,
        order::deregistration_delay,
        reach::listen_port,
        reach::application_address,
        health::health_command,
        health::health_path,
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
