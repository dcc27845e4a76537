//! `openssl s_server`, which responds with a page about the connection.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::authority::Issued;
use crate::support::{TempDir, Tool};

/// A running server; killed when dropped.
pub(super) struct OpensslServer {
    child: Child,
    port: u16,
    _directory: TempDir,
}

// === impl OpensslServer ===

impl OpensslServer {
    /// Starts it with a certificate and more arguments. `None` without openssl.
    pub(super) fn start(issued: &Issued, arguments: &[&str]) -> Option<Self> {
        let directory = TempDir::new();
        let (_, key) = issued.write(&directory, "own");
        let certificate = directory.write("certificate.pem", &issued.certificate);
        // OpenSSL sends what is behind the first certificate only with this.
        let chain = directory.write("chain.pem", &issued.chain);
        let mut command = Tool::Openssl.command()?;
        command
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .arg("-cert")
            .arg(certificate)
            .args(["-key", &key])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if issued.chain != issued.certificate {
            command.arg("-cert_chain").arg(chain);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok())
            .expect("openssl s_server says its port");
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, port, _directory: directory })
    }

    pub(super) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        // Its time limit is a process around it.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
