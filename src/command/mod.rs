//! The commands that `main` runs after parsing the command line. Each returns the exit status.

pub mod args;

mod admin_peer;
mod check;
mod check_request;
mod demo;
mod doctor;
mod exec;
mod healthcheck;
mod http_request;
mod import_nginx;
mod listener_peer;
mod own_port;
mod purge;
mod run;
mod screen;
mod status;
mod version;

#[cfg(test)]
mod manual;

use std::{io, process::ExitCode};

use crate::config::Environment;

use self::args::{Cli, Command};

/// Runs the command.
pub fn call(cli: &Cli, environment: &Environment) -> ExitCode {
    let Some(command) = &cli.command else {
        return version::print(cli.verbose, &mut io::stdout());
    };
    match command {
        Command::Check(args) => {
            check::check(args, environment, &mut io::stdout(), &mut io::stderr())
        }
        Command::Healthcheck(args) => {
            healthcheck::healthcheck(args, environment, &mut io::stderr())
        }
        Command::Purge(args) => {
            purge::purge(args, environment, &mut io::stdout(), &mut io::stderr())
        }
        Command::Status(args) => {
            status::status(args, environment, &mut io::stdout(), &mut io::stderr())
        }
        Command::Doctor(args) => {
            doctor::doctor(args, environment, &mut io::stdout(), &mut io::stderr())
        }
        Command::ImportNginx(args) => {
            import_nginx::import_nginx(args, environment, &mut io::stdout(), &mut io::stderr())
        }
        Command::Run(args) => run::run(&args.flags(), environment, &mut io::stderr()),
        Command::Exec(args) => exec::exec(args, environment, &mut io::stderr()),
        Command::Demo(args) => {
            run::show(args.listen, args.admin, &mut io::stdout(), &mut io::stderr())
        }
    }
}
