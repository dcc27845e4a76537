//! An application server as a process: started, awaited, signalled, killed.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::app_server::AppServer;
use crate::setup::Application;

/// Python starts slowly on a busy machine.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// Another program may take the free port before the server does.
const ATTEMPTS: u32 = 3;

/// The address that an application server listens at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp,
    Unix,
}

/// A running application server; it and its workers are killed when dropped.
#[derive(Debug)]
pub(super) struct AppProcess {
    pub(super) application: Application,
    child: Child,
    /// As long as it exists, every view takes ten times as long.
    slow_file: PathBuf,
}

/// An application whose views take ten times as long.
#[derive(Debug)]
pub(super) struct SlowDown<'a>(&'a Path);

// === impl Address ===

impl Address {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
        }
    }

    /// A free address below this directory.
    fn free(self, directory: &Path) -> io::Result<Application> {
        if self == Self::Tcp {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            return Ok(Application::Http(listener.local_addr()?));
        }
        let path = directory.join("auto.sock");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Application::Unix(path))
    }
}

// === impl AppProcess ===

impl AppProcess {
    /// Starts it and waits until it responds; its log goes to `directory`.
    pub(super) fn start(
        server: &AppServer,
        address: Address,
        python: &Path,
        directory: &Path,
    ) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_at(server, address.free(directory)?, python, directory) {
                Err(_) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn start_at(
        server: &AppServer,
        application: Application,
        python: &Path,
        directory: &Path,
    ) -> io::Result<Self> {
        let log = directory.join(format!("{}.log", server.name));
        let output = File::create(&log)?;
        let slow_file = directory.join("slow");
        let child = command(server, &application, python)
            .env("SLOW_FILE", &slow_file)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        let mut process = Self { application, child, slow_file };
        let deadline = Instant::now() + START;
        while !process.responds() {
            let ended = process.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let what =
                    format!("{} does not respond ({ended:?}); its log:\n{said}", server.name);
                return Err(io::Error::other(what));
            }
            sleep(POLL);
        }
        Ok(process)
    }

    /// Adds a worker to gunicorn, or removes one.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Makes every view take ten times as long, until the result is dropped.
    pub(super) fn slow_down(&self) -> io::Result<SlowDown<'_>> {
        File::create(&self.slow_file)?;
        Ok(SlowDown(&self.slow_file))
    }

    fn responds(&self) -> bool {
        let start = match &self.application {
            Application::Http(address) | Application::Uwsgi(address) => {
                TcpStream::connect_timeout(address, START).and_then(|stream| {
                    stream.set_read_timeout(Some(START))?;
                    ask(stream)
                })
            }
            Application::Unix(path) => UnixStream::connect(path).and_then(|stream| {
                stream.set_read_timeout(Some(START))?;
                ask(stream)
            }),
        };
        start.is_ok_and(|start| start.ends_with(b" 200"))
    }
}

// === impl SlowDown ===

impl Drop for SlowDown<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.0) {
            eprintln!("load: the application stays slow: {error}");
        }
    }
}

impl Drop for AppProcess {
    fn drop(&mut self) {
        let group = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        if let Err(error) =
            group.map_err(io::Error::from).and_then(|()| self.child.wait().map(drop))
        {
            eprintln!("load: an application server may still run: {error}");
        }
    }
}

/// The command that runs a server at this address.
fn command(server: &AppServer, application: &Application, python: &Path) -> Command {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/scenarios/auto");
    let bin: PathBuf = python.parent().map(Path::to_owned).unwrap_or_default();
    let [program, options @ ..] = server.command else { return Command::new(python) };
    let mut command = Command::new(python);
    command.arg(home.join("run.py")).arg(bin.join(program)).args(options);
    if *program == "gunicorn" {
        command.arg("--no-control-socket");
    }
    let (host, port, path, address) = match application {
        Application::Http(at) | Application::Uwsgi(at) => {
            (at.ip().to_string(), at.port().to_string(), String::new(), server.tcp)
        }
        Application::Unix(path) => {
            (String::new(), String::new(), path.display().to_string(), server.unix)
        }
    };
    for option in address {
        let option = option.replace("{host}", &host).replace("{port}", &port);
        command.arg(option.replace("{path}", &path));
    }
    command
        .current_dir(&home)
        .env("VIEW_SECONDS", server.view.as_secs_f64().to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", &home)
        .env_remove("PYTHONHOME")
        .env_remove("GUNICORN_CMD_ARGS");
    command
}

/// Sends a request, and returns the beginning of the response.
fn ask(mut stream: impl Read + Write) -> io::Result<[u8; 12]> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n")?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    Ok(start)
}
