//! Real gunicorn as the application: started, killed, reloaded, started again on the same port.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use socket2::{Domain, Socket, Type};

/// Python starts slowly on a busy machine.
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// gunicorn on its own port; it and its workers are killed when dropped.
#[derive(Debug)]
pub(crate) struct Gunicorn {
    pub(crate) address: SocketAddr,
    python: PathBuf,
    /// Its workers: class, processes, threads.
    arguments: &'static [&'static str],
    log: PathBuf,
    /// Bound and never listening: reserves the port while gunicorn restarts, so that connections
    /// are refused.
    _port: Socket,
    child: Option<Child>,
}

// === impl Gunicorn ===

impl Gunicorn {
    /// Starts it and waits until it responds; its log goes to `directory`.
    pub(crate) fn start(
        python: &Path,
        arguments: &'static [&'static str],
        directory: &Path,
    ) -> io::Result<Self> {
        let port = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        port.set_reuse_address(true)?;
        port.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = port.local_addr()?.as_socket();
        let address = address.ok_or_else(|| io::Error::other("a socket has no address"))?;
        let log = directory.join("gunicorn.log");
        let python = python.to_owned();
        let mut gunicorn = Self { address, python, arguments, log, _port: port, child: None };
        gunicorn.again()?;
        let deadline = Instant::now() + START;
        while !answers(address) {
            let ended = gunicorn.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(&gunicorn.log).unwrap_or_default();
                let what = format!("gunicorn does not answer ({ended:?}); its log:\n{said}");
                return Err(io::Error::other(what));
            }
            sleep(POLL);
        }
        Ok(gunicorn)
    }

    /// Starts it, without waiting until it responds.
    pub(crate) fn again(&mut self) -> io::Result<()> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/scenarios");
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.python);
        // A pipe without a writer: gunicorn.conf.py waits for its end.
        command
            .args(["-m", "gunicorn", "--no-control-socket", "--config"])
            .arg(home.join("gunicorn.conf.py"))
            .args(["--bind", &self.address.to_string()])
            .args(self.arguments)
            .arg("app:application")
            .current_dir(home)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
            .env_remove("GUNICORN_CMD_ARGS")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// SIGKILL for it and its workers, like when a container is out of memory.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            // The workers are in the process group of the master.
            kill_process_group(Pid::from_child(&child), Signal::KILL)?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGHUP: new workers, then the old ones end.
    pub(crate) fn reload(&self) -> io::Result<()> {
        match &self.child {
            Some(child) => Ok(kill_process(Pid::from_child(child), Signal::HUP)?),
            None => Err(io::Error::other("gunicorn does not run")),
        }
    }
}

impl Drop for Gunicorn {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("load: gunicorn may still run: {error}");
        }
    }
}

/// Whether a request gets a response.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&address, START)?;
        stream.set_read_timeout(Some(START))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| &start == b"HTTP/1.1 200")
}
