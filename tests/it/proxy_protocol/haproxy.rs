//! HAProxy in front, which forwards TCP connections with the header.

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::{Child, Stdio},
};

use super::{all_refused, echo, proxied};
use crate::support::{Client, Sideman, TempDir, Tool, eventually};

/// HAProxy in TCP mode before one server.
struct Haproxy {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

// === impl Haproxy ===

impl Haproxy {
    /// `options` are those of the server line. Skips the test if HAProxy is not installed.
    fn start(sideman: &Sideman, options: &str) -> Option<Self> {
        let mut command = Tool::Haproxy.command()?;
        let directory = TempDir::new();
        let server = sideman.address();
        // HAProxy inherits its listener as stdin, so that no port has to be free.
        let path = directory.write(
            "haproxy.cfg",
            format!(
                "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n\
                 listen web\n bind fd@0\n option httpchk GET /healthz\n server sideman {server} {options}\n"
            ),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let command = command.args(["-db", "-f", path.to_str().unwrap()]);
        let command = command.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
        let process = command.stderr(Stdio::null()).spawn().unwrap();
        Some(Self { process, address, _directory: directory })
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        // `timeout` passes the signal on.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

#[test]
fn haproxy_names_its_clients() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let application = echo();
        let sideman = proxied(&application).start();
        let Some(haproxy) = Haproxy::start(&sideman, version) else { return };
        let port = haproxy.address.port();
        for client in ["127.0.0.5", "127.0.0.6"] {
            let mut connection = Client::connect_from(client.parse().unwrap(), haproxy.address);
            for _ in 0..2 {
                assert_eq!(
                    connection.get("/").text(),
                    format!("{client} http {port}"),
                    "{version}"
                );
            }
            sideman.log_line(client, |line| line["client"] == client);
        }
        assert_eq!(all_refused(&sideman), 0.0, "{version}");
    }
}

#[test]
fn health_checks_of_haproxy_are_answered() {
    for version in ["send-proxy", "send-proxy-v2"] {
        let application = echo();
        let sideman = proxied(&application).start();
        let options = format!("{version} check check-send-proxy inter 50ms fall 1");
        let Some(haproxy) = Haproxy::start(&sideman, &options) else { return };
        let mut client = Client::connect_from("127.0.0.5".parse().unwrap(), haproxy.address);
        assert!(client.get("/").text().starts_with("127.0.0.5 http "), "{version}");
        let labels = [("route", "health"), ("status", "2xx")];
        eventually("three health checks", || {
            (sideman.metric("sideman_requests_total", &labels) >= 3.0).then_some(())
        });
        // HAProxy still forwards connections, so the checks are good.
        let mut client = Client::connect_from("127.0.0.6".parse().unwrap(), haproxy.address);
        assert!(client.get("/").text().starts_with("127.0.0.6 http "), "{version}");
        assert_eq!(all_refused(&sideman), 0.0, "{version}");
    }
}
