//! A real Redis server in a directory of its own, on a Unix socket or with TLS on a free port.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{dir::TempDir, skip::Tool, wait::eventually};

/// A server that is killed when dropped.
#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    arguments: Vec<String>,
    child: Child,
    directory: TempDir,
}

// === impl Redis ===

impl Redis {
    /// A server without a password that keeps nothing on disk. Skips the test if Redis is not installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// A server that still has everything after it was killed.
    #[track_caller]
    pub(crate) fn durable() -> Option<Self> {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// A server with more arguments.
    #[track_caller]
    pub(crate) fn with(arguments: &[&str]) -> Option<Self> {
        let program = Tool::Redis.path()?;
        let directory = TempDir::new();
        let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
        let child = run(&program, &arguments, &directory);
        let redis = Self { program, arguments, child, directory };
        redis.until_ready();
        Some(redis)
    }

    /// A server with TLS on a port, with this certificate. Returns the port too.
    #[track_caller]
    pub(crate) fn with_tls(certificate: &Path, key: &Path) -> Option<(Self, u16)> {
        // Another program may take the port before Redis does; then the next one is tried.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let port_text = port.to_string();
            let redis = Self::with(&[
                "--tls-port",
                &port_text,
                "--tls-cert-file",
                certificate.to_str().unwrap(),
                "--tls-key-file",
                key.to_str().unwrap(),
                "--tls-auth-clients",
                "no",
            ])?;
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some((redis, port));
            }
        }
        panic!("no free port")
    }

    /// The value of `cache.redis`.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix:{}", self.socket().display())
    }

    pub(crate) fn directory(&self) -> &TempDir {
        &self.directory
    }

    /// Sends a command on a new connection, and returns the first line of the reply.
    #[track_caller]
    pub(crate) fn ask(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        write!(stream, "{command}\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a command on a new connection, and returns the whole reply.
    #[track_caller]
    pub(crate) fn all(&self, command: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        write!(stream, "{command}\r\nQUIT\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after it was killed.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.child = run(&self.program, &self.arguments, &self.directory);
        self.until_ready();
    }

    #[track_caller]
    fn until_ready(&self) {
        eventually("a Redis that responds", || {
            let mut stream = UnixStream::connect(self.socket()).ok()?;
            stream.write_all(b"PING\r\n").ok()?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).ok()?;
            (!line.is_empty() && !line.starts_with("-LOADING")).then_some(())
        });
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(program: &Path, arguments: &[String], directory: &TempDir) -> Child {
    let mut command = Command::new(program);
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(directory.join("redis.sock"));
    command.arg("--dir").arg(directory.path()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}
