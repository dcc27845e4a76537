//! `sideman exec`: starts the application as a child process, and serves in front of it.

mod address;
mod handover;
mod servers;
mod words;

use std::{io, process::ExitCode, sync::Arc};

use crate::{
    config::{self, Environment, Flags, LoadedSettings, Setting, ValueOrigin},
    lifecycle::{ChildCommand, ProgramCall, ServiceManager, SettingsSource},
};

use self::{
    address::ChildAddress,
    servers::{Placeholders, ServerCommand},
};
use super::{
    args::ExecArgs,
    own_port::{PORT, use_own_port},
    run::{BAD_SETTINGS, Start, at_terminal, failed, serve},
};

/// The source of the settings that this command chooses.
const COMMAND: ValueOrigin = ValueOrigin::Command { name: "sideman exec" };
const UPSTREAM: &str = "upstream.url";

/// Starts the application, and serves until a signal arrives or the application fails.
pub(super) fn exec(
    args: &ExecArgs,
    environment: &Environment,
    err: &mut dyn io::Write,
) -> ExitCode {
    let prepared = match prepare(args, environment) {
        Ok(prepared) => prepared,
        Err(problem) => {
            let _ = writeln!(err, "{problem}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    let Prepared { loaded, flags, child, address } = prepared;
    let service_manager = match ServiceManager::of_process(environment) {
        Ok(found) => found,
        Err(error) => return failed(&error.into(), err),
    };
    let environment = environment.clone();
    let read = Arc::new(move || config::load(&flags, &environment).map(at_terminal));
    let source = Some(SettingsSource(read));
    let start = Start { loaded, source, child: Some(child), service_manager };
    let code = serve(start, err, |_| {});
    // The directory of the socket is removed last.
    drop(address);
    code
}

/// Everything that is known before the start.
#[derive(Debug)]
struct Prepared {
    loaded: LoadedSettings,
    flags: Flags,
    child: ChildCommand,
    address: ChildAddress,
}

fn prepare(args: &ExecArgs, environment: &Environment) -> Result<Prepared, String> {
    let before = args.before.iter().map(|text| words::split(text));
    let before = before.collect::<Result<Vec<_>, _>>()?;
    let command = ServerCommand::of(&args.command)?;
    let address = ChildAddress::choose(command.wants())?;
    let mut flags = args.settings.flags();
    flags.defaults.push((UPSTREAM, address.url(command.protocol()), COMMAND));
    use_own_port(&mut flags, environment);
    let loaded = config::load(&flags, environment).map(at_terminal);
    let loaded = loaded.map_err(|problems| problems.to_string())?;
    let is_chosen =
        |setting: &Setting| setting.id.key.name == UPSTREAM && setting.origin == COMMAND;
    let is_chosen = loaded.settings.iter().any(is_chosen);
    let application = match is_chosen {
        true => handover::to(&command, &address, environment)?,
        false if command.placeholders() != Placeholders::None => {
            return Err("the command has {socket}, {host} or {port}, and upstream.url is set: \
                        remove one of them"
                .into());
        }
        // The port belongs to Sideman.
        false => ProgramCall {
            words: args.command.clone(),
            removed: vec![PORT],
            ..ProgramCall::default()
        },
    };
    let before = before.into_iter().map(|words| ProgramCall { words, ..ProgramCall::default() });
    let child = ChildCommand {
        before: before.collect(),
        application,
        socket: address.socket().filter(|_| is_chosen),
        advice: handover::advice(&command, is_chosen),
    };
    Ok(Prepared { loaded, flags, child, address })
}
