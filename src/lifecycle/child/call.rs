//! The commands that `sideman exec` runs, as words: no shell reads them.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::process::Pid;

use crate::config;

use super::{child_setup::ChildLimits, group::ProcessGroup};

/// The application, and what runs before it.
#[derive(Clone, Debug)]
pub struct ChildCommand {
    /// Run once, in this order, before the application.
    pub before: Vec<ProgramCall>,
    pub application: ProgramCall,
    /// The socket at which the application listens. A file that an earlier process left there is removed.
    pub socket: Option<PathBuf>,
    /// What to do if the application never accepts a connection.
    pub advice: String,
}

/// A program with its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramCall {
    /// The program, then its arguments.
    pub words: Vec<String>,
    /// Variables that it gets in addition to Sideman's environment.
    pub variables: Vec<(String, String)>,
    /// Variables of Sideman's environment that it does not get.
    pub removed: Vec<&'static str>,
}

// === impl ProgramCall ===

impl ProgramCall {
    /// Starts it in a process group of its own: what a terminal sends to Sideman's group must not end it before
    /// Sideman has drained.
    pub(super) fn start(&self, limits: ChildLimits) -> io::Result<ProcessGroup> {
        let (program, arguments) =
            self.words.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .process_group(0);
        for name in &self.removed {
            command.env_remove(name);
        }
        limits.apply(&mut command);
        // `Child` is dropped, because the reaper waits for every process.
        Ok(ProcessGroup::of(Pid::from_child(&command.spawn()?)))
    }

    /// The program alone: arguments may contain secrets.
    pub(super) fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The whole command for a message, without passwords in URLs.
    pub(super) fn shown(&self) -> String {
        config::masked(&self.words.join(" ")).into_owned()
    }
}
