//! What a server under test is told. `sideman`, `nginx` and `haproxy` write it in each one's own words.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::certificate::Certificate;

/// What a server is told.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) listen: SocketAddr,
    /// Where TLS is spoken too, and with what.
    pub(crate) tls: Option<(SocketAddr, &'a Certificate)>,
    /// Where Sideman shows its metrics.
    pub(crate) admin: SocketAddr,
    pub(crate) application: &'a Application,
    /// Holds `static/`.
    pub(crate) root: &'a Path,
    /// The server's own, for logs and temporary files.
    pub(crate) directory: &'a Path,
    pub(crate) workers: u32,
    pub(crate) connections: u32,
    /// Sideman's, besides its defaults: variables without their prefix, such as `LOG__LEVEL=warn`.
    pub(crate) settings: &'a [String],
    /// What is run in the server's place and starts it in the same process: a program and its options,
    /// or nothing.
    pub(crate) launcher: &'a [OsString],
}

/// What the server passes requests to.
#[derive(Clone, Debug)]
pub(crate) enum Application {
    Http(SocketAddr),
    Unix(PathBuf),
    Uwsgi(SocketAddr),
}

// === impl Setup ===

impl Setup<'_> {
    /// The command that runs `program`, behind the launcher if there is one.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let Some((launcher, options)) = self.launcher.split_first() else {
            return Command::new(program);
        };
        let mut command = Command::new(launcher);
        command.args(options).arg(program);
        command
    }

    /// Where the access log goes.
    pub(crate) fn access_log(&self) -> PathBuf {
        access_log(self.directory)
    }

    /// Where the server's complaints go.
    pub(crate) fn error_log(&self) -> PathBuf {
        error_log(self.directory)
    }
}

pub(crate) fn access_log(directory: &Path) -> PathBuf {
    directory.join("access.log")
}

pub(crate) fn error_log(directory: &Path) -> PathBuf {
    directory.join("error.log")
}
