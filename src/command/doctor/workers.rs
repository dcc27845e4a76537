//! Compares the limit of requests with the workers that the command of the application starts.

use super::server_command::ServerCommand;
use crate::{
    finding::{Check, Finding, Severity},
    plan::AdmissionSettings,
};

pub(super) static WORKERS: Check = Check {
    id: "workers",
    severity: Severity::Warning,
    page: "docs/workers.md#how-many-requests-at-once",
};

/// Requests beyond the application's workers wait in its own listen queue.
pub(super) fn workers(admission: AdmissionSettings, command: &ServerCommand) -> Option<Finding> {
    let (workers, shown) = command.concurrency()?;
    if admission.tunes || admission.max_in_flight <= workers {
        return None;
    }
    Some(WORKERS.finding(
        "requests wait in the application's own queue, where Sideman cannot reorder or drop them",
        format!(
            "upstream.max_in_flight is {}, the application has {shown}",
            admission.max_in_flight
        ),
        format!("set SIDEMAN_MAX_IN_FLIGHT={workers}, or leave it out: Sideman finds the number"),
    ))
}
