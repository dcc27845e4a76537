//! A pebble with a name server of its own, on free ports. All names lead to 127.0.0.1.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use super::tls;
use crate::support::{TempDir, Tool};

/// Both processes; killed when dropped.
#[derive(Debug)]
pub(super) struct Pebble {
    pub(super) address: SocketAddr,
    management: SocketAddr,
    server: Child,
    names: Child,
}

// === impl Pebble ===

impl Pebble {
    /// Starts it with a certificate in this directory. It validates names at these ports. Skips the test if it is not
    /// installed.
    #[track_caller]
    pub(super) fn start(directory: &TempDir, ca: &str, http: u16, tls: u16) -> Option<Self> {
        let (program, names) = (Tool::Pebble.path()?, Tool::PebbleDns.path()?);
        // Another program may take a port first; then others are tried.
        for _ in 0..10 {
            let [address, management, dns, control] = [(); 4].map(|()| free_address());
            let names = Command::new(&names)
                .args(["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""])
                .args(["-dns01", &dns.to_string(), "-management", &control.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let config = json!({ "pebble": {
                "listenAddress": address,
                "managementListenAddress": management,
                "certificate": directory.join("server.pem"),
                "privateKey": directory.join("server.key"),
                "httpPort": http,
                "tlsPort": tls,
            } });
            let config = directory.write("pebble.json", config.to_string());
            let server = run(&program, &config, dns);
            let pebble = Self { address, management, server, names };
            if pebble.responds(ca) {
                return Some(pebble);
            }
        }
        panic!("pebble does not start")
    }

    /// The root of the certificates that it issues.
    #[track_caller]
    pub(super) fn issuer(&self, ca: &str) -> String {
        let get = b"GET /roots/0 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let response = tls::exchange(self.management, tls::trusting(ca), get).unwrap();
        let response = String::from_utf8(response).unwrap();
        let begin = response.find("-----BEGIN").unwrap();
        response[begin..].to_owned()
    }

    fn responds(&self, ca: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        let get = b"GET /dir HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        while Instant::now() < deadline {
            if tls::exchange(self.address, tls::trusting(ca), get).is_ok() {
                return true;
            }
            crate::support::pace();
        }
        false
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in [&mut self.server, &mut self.names] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run(program: &Path, config: &Path, dns: SocketAddr) -> Child {
    Command::new(program)
        .arg("-config")
        .arg(config)
        .args(["-strict", "-dnsserver", &dns.to_string()])
        // Without pauses, and without chance: each order proves everything, and each request is sent once.
        .envs([
            ("PEBBLE_VA_NOSLEEP", "1"),
            ("PEBBLE_AUTHZREUSE", "0"),
            ("PEBBLE_WFE_NONCEREJECT", "0"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
