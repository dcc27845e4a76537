//! Starting the program: flags and environment, without the test's own environment.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use super::{sideman::Sideman, skip::Namespace, wait::eventually};

/// A command line that is being built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) args: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) stdout: Stdout,
    /// Whether stderr is left unread, once the program listens.
    pub(crate) holds_stderr: bool,
    /// The limit of open files.
    descriptors: Option<u32>,
    /// A namespace of its own, and shell commands that set it up.
    namespace: Option<(Namespace, String)>,
    /// A listening socket that it gets as a service manager passes it.
    inherited: Option<Arc<OwnedFd>>,
    /// Whether it has no permissions beyond those of its user id.
    unprivileged: bool,
}

/// Where the program's stdout goes.
#[derive(Clone, Debug, Default)]
pub(crate) enum Stdout {
    #[default]
    Read,
    /// The lines stay in the pipe.
    Held,
    /// The pipe has no reader any more.
    Lost,
    File(PathBuf),
}

/// A program that has exited by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Settings ===

impl Settings {
    /// `sideman run` on free ports in front of this application, with a short shutdown.
    pub(crate) fn before(upstream: &str) -> Self {
        Self::default()
            .args(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(&["--upstream", upstream])
            .set("server.workers", "2")
            .set("shutdown.delay", "0s")
            .set("shutdown.timeout", "10s")
            // Requests fail at once if the application is unavailable; tests of waiting set this.
            .set("upstream.wait", "0s")
    }

    /// `sideman exec` on free ports, with a short shutdown. The words of `args` that follow `--` are the application.
    pub(crate) fn exec() -> Self {
        Self::default()
            .args(&["exec", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .set("server.workers", "2")
            .set("shutdown.delay", "0s")
            .set("shutdown.timeout", "10s")
            .variable("PATH", "/usr/bin:/bin")
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Serves a directory.
    pub(crate) fn files(self, prefix: &str, directory: &Path) -> Self {
        self.args(&["--static", &format!("{prefix}={}", directory.display())])
    }

    /// Sets `section.key` through the environment.
    pub(crate) fn set(self, key: &str, value: &str) -> Self {
        let name = format!("SIDEMAN_{}", key.replace('.', "__").to_uppercase());
        self.variable(&name, value)
    }

    /// Sets settings of a named route.
    pub(crate) fn route(self, name: &str, settings: &[(&str, &str)]) -> Self {
        let set =
            |all: Self, (key, value): &(&str, &str)| all.set(&format!("route.{name}.{key}"), value);
        settings.iter().fold(self, set)
    }

    /// Sets a variable under its own name.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves stdout unread, like a log collector that hangs.
    pub(crate) fn hold_stdout(mut self) -> Self {
        self.stdout = Stdout::Held;
        self
    }

    /// Closes the reader's end of stdout, like a log collector that has crashed.
    pub(crate) fn lose_stdout(mut self) -> Self {
        self.stdout = Stdout::Lost;
        self
    }

    /// Uses this file as stdout.
    pub(crate) fn stdout_to(mut self, path: &Path) -> Self {
        self.stdout = Stdout::File(path.to_owned());
        self
    }

    /// Leaves stderr unread after the event with the listening address.
    pub(crate) fn hold_stderr(mut self) -> Self {
        self.holds_stderr = true;
        self
    }

    /// Limits the number of open files.
    pub(crate) fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// Runs it in a mount namespace, after these shell commands.
    pub(crate) fn mounts(mut self, commands: &str) -> Self {
        self.namespace = Some((Namespace::Mount, commands.to_owned()));
        self
    }

    /// Runs it in a network namespace, after these shell commands.
    pub(crate) fn network(mut self, commands: &str) -> Self {
        self.namespace = Some((Namespace::Network, commands.to_owned()));
        self
    }

    /// Passes it a listening socket, as a service manager does.
    pub(crate) fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.inherited = Some(Arc::new(socket.into()));
        self
    }

    /// Replaces the address for clients.
    pub(crate) fn listen(mut self, address: &str) -> Self {
        let flag = self.args.iter().position(|arg| arg == "--listen").unwrap();
        address.clone_into(&mut self.args[flag + 1]);
        self
    }

    /// Runs it without capabilities, so that permissions hold even for root, who runs most tests.
    pub(crate) fn unprivileged(mut self) -> Self {
        self.unprivileged = true;
        self
    }

    /// Starts, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(&self) -> Sideman {
        Sideman::start(self)
    }

    /// Starts with `server.listen` none, and waits until the admin listener is there.
    #[track_caller]
    pub(crate) fn start_without_http(&self) -> Sideman {
        Sideman::start_without_http(self)
    }

    /// Starts the demo, and waits until it prints its address.
    #[track_caller]
    pub(crate) fn start_demo(&self) -> Sideman {
        Sideman::start_demo(self)
    }

    /// Runs the program until it exits by itself.
    #[track_caller]
    pub(crate) fn run_to_end(&self) -> Ended {
        let mut child = self.command().spawn().unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let read_out = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let read_err = thread::spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).map(|_| text)
        });
        let mut child = Killed(child);
        let status = eventually("the end of the program", || child.0.try_wait().unwrap());
        Ended {
            code: status.code(),
            stdout: read_out.join().unwrap().unwrap(),
            stderr: read_err.join().unwrap().unwrap(),
        }
    }

    pub(crate) fn command(&self) -> Command {
        let stdout = match &self.stdout {
            Stdout::Read | Stdout::Held | Stdout::Lost => Stdio::piped(),
            Stdout::File(path) => File::options().write(true).open(path).unwrap().into(),
        };
        let mut command = self.program();
        command
            .args(&self.args)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(
                self.inherited
                    .as_ref()
                    .map_or_else(Stdio::null, |socket| Stdio::from(socket.try_clone().unwrap())),
            )
            .stdout(stdout)
            .stderr(Stdio::piped());
        command
    }
}

impl Settings {
    /// The program. A wrapper replaces itself with it, so the process is the program.
    fn program(&self) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_sideman"));
        if let Some((namespace, commands)) = &self.namespace {
            return namespace.command(commands, program);
        }
        if let Some(most) = self.descriptors {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]).arg(program);
            return shell;
        }
        if self.inherited.is_some() {
            let variables = "LISTEN_FDS=1 LISTEN_PID=$$";
            let pass = format!("exec 3<&0 </dev/null; {variables} exec \"$0\" \"$@\"");
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &pass]).arg(program);
            return shell;
        }
        if self.unprivileged && rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(program);
            return command;
        }
        Command::new(program)
    }
}

/// Ends with the test in any case.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
