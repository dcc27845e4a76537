//! The settings of a server under test. `sideman`, `nginx` and `haproxy` translate them for each server.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::certificate::Certificate;

/// The requests that gunicorn works on at a time in most scenarios.
pub(crate) const IN_FLIGHT: u32 = 4;

/// The settings of a server.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) listen: SocketAddr,
    /// The TLS address and certificate, if TLS is used.
    pub(crate) tls: Option<(SocketAddr, &'a Certificate)>,
    /// The address of Sideman's metrics.
    pub(crate) admin: SocketAddr,
    pub(crate) application: &'a Application,
    /// Contains `static/`.
    pub(crate) root: &'a Path,
    /// The server's own directory, for logs and temporary files.
    pub(crate) directory: &'a Path,
    pub(crate) workers: u32,
    pub(crate) connections: u32,
    /// Whether responses of the application are cached.
    pub(crate) is_cached: bool,
    /// How many requests the application works on at a time, for HAProxy.
    pub(crate) in_flight: u32,
    /// Sideman's settings, besides its defaults: variables without their prefix, such as `LOG__LEVEL=warn`.
    pub(crate) settings: &'a [String],
    /// A launcher that starts the server in the same process: a program and its options,
    /// or nothing.
    pub(crate) launcher: &'a [OsString],
}

/// The upstream of the server.
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

    /// The path of the error log.
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
