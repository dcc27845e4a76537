//! The application in another network namespace than Sideman, as two containers are: what its workers have not begun
//! cannot be seen there.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use super::auto::under_load_of;
use crate::support::{Client, Settings, Sideman, TempDir, Tool, can_have_network, eventually};

/// Three synchronous workers. It opens the file that its argument names when it listens.
const APPLICATION: &str = r#"
import socket, sys, threading, time
listener = socket.create_server(("0.0.0.0", 8000), backlog=128)
def work():
    while True:
        peer, _ = listener.accept()
        try:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                part = peer.recv(4096)
                if not part:
                    break
                head += part
            else:
                time.sleep(0.03)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        except OSError:
            pass
        peer.close()
for _ in range(3):
    threading.Thread(target=work).start()
open(sys.argv[1], "w").close()
"#;
/// Prints a URL's body.
const FETCH: &str = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())";
/// Another namespace for the application, as the process `$!`, and a link to it.
const LINK: &str = "ip link add near type veth peer name far netns $! && ip address add 192.0.2.1/24 dev near && \
     ip link set near up && nsenter --target $! --net ip address add 192.0.2.2/24 dev far && \
     nsenter --target $! --net ip link set far up";

/// Sideman in a network namespace of its own.
struct Namespaces {
    sideman: Sideman,
    python: PathBuf,
    home: TempDir,
}

// === impl Namespaces ===

impl Namespaces {
    /// Starts the application there, or in another namespace. `None` if the test was skipped.
    fn start(is_apart: bool) -> Option<Self> {
        let python = Tool::Python.path().filter(|_| can_have_network())?;
        let home = TempDir::new();
        home.write("app.py", APPLICATION.as_bytes());
        let path = |name: &str| home.join(name).display().to_string();
        let (unshare, address, link) = match is_apart {
            true => ("unshare --net", "192.0.2.2", LINK),
            false => ("", "127.0.0.1", "true"),
        };
        // It ends with Sideman, which replaces the shell. It is asked for nothing until it listens.
        let commands = format!(
            "ip link set lo up && mkfifo {ready} && \
             {{ setpriv --pdeathsig KILL {unshare} {python} {app} {ready} >/dev/null 2>&1 & }} && \
             read _ < {ready}; {link}",
            ready = path("ready"),
            python = python.display(),
            app = path("app.py"),
        );
        let sideman = Settings::before(&format!("http://{address}:8000"))
            .args(&["--listen", &format!("unix:{}", path("web.sock"))])
            .network(&commands)
            .start();
        Some(Self { sideman, python, home })
    }

    fn under_load(&self, act: impl FnOnce()) {
        under_load_of(|| Client::connect_to(&self.home.join("web.sock")), 40, act);
    }

    /// Whether this is a line of the metrics, which are asked for within the namespace.
    fn has_sample(&self, sample: &str) -> bool {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.sideman.pid().to_string(), "--net"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(&self.python).args(["-c", FETCH]);
        command.arg(format!("http://{}/metrics", self.sideman.admin()));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().any(|line| line == sample)
    }
}

#[test]
fn workers_in_another_network_namespace_are_found_by_throughput() {
    let Some(namespaces) = Namespaces::start(true) else { return };
    namespaces.under_load(|| {
        let event = namespaces.sideman.late_event("cannot see which requests");
        assert!(event.contains("another network namespace"), "{event}");
        eventually("a limit by throughput", || {
            namespaces
                .has_sample("sideman_upstream_limit_source{source=\"throughput\"} 1")
                .then_some(())
        });
    });
    let (code, events) = namespaces.sideman.stop_for_events();
    let said = events.iter().filter(|event| event.contains("cannot see which requests")).count();
    assert_eq!((code, said), (Some(0), 1), "{events:?}");
}

/// What the test above sees follows from the namespace alone.
#[test]
fn workers_in_the_same_network_namespace_are_counted() {
    let Some(namespaces) = Namespaces::start(false) else { return };
    namespaces.under_load(|| {
        eventually("three workers", || {
            (namespaces.has_sample("sideman_upstream_limit_source{source=\"unread\"} 1")
                && namespaces.has_sample("sideman_limit{setting=\"upstream.max_in_flight\"} 3"))
            .then_some(())
        });
    });
    let (_, events) = namespaces.sideman.stop_for_events();
    assert!(!events.iter().any(|event| event.contains("cannot see which requests")), "{events:?}");
}
