//! `sideman doctor`: looks for mistakes in a deployment, in the file that describes it, or beside the running process.
//! A check that cannot be certain returns nothing.

mod deployment;
mod examination;
mod report;
mod running;
mod server_command;
mod workers;

#[cfg(test)]
mod reference;

use std::{io, process::ExitCode};

use crate::config::Environment;

use super::args::DoctorArgs;

use self::{deployment::DeploymentKind, examination::Examination, report::COULD_NOT_LOOK};

/// Prints the report to `out`. The exit status is 0 if nothing was found, 1 if something was, 2 if it could not look.
pub(super) fn doctor(
    args: &DoctorArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    let mut examination = match examine(args, environment) {
        Ok(examination) => examination,
        Err(fault) => {
            let _ = writeln!(err, "{fault}");
            return ExitCode::from(COULD_NOT_LOOK);
        }
    };
    report::sort(&mut examination);
    let text = if args.json { report::json(&examination) } else { report::text(&examination) };
    // If the output is closed, the exit status still gives the result.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    report::exit_code(&examination)
}

fn examine(args: &DoctorArgs, environment: &Environment) -> Result<Examination, String> {
    let files = [
        (&args.task_definition, DeploymentKind::TaskDefinition),
        (&args.compose, DeploymentKind::Compose),
        (&args.copilot, DeploymentKind::Copilot),
    ];
    let given = files.into_iter().find_map(|(path, kind)| Some((path.as_ref()?, kind)));
    match given {
        Some((path, kind)) => deployment::examine(kind, path, environment),
        None => running::examine(args, environment),
    }
}
