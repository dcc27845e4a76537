//! The application in another network namespace than Sideman, as two containers are: what its workers have not begun
//! cannot be seen there.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use super::auto::{overloaded, under_load_of};
use crate::support::{Client, Sideman, TIME_LIMIT, TempDir, Tool, can_have_network};

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
/// Reads a page of metrics until it has all of these lines. Ends with what it has of them if it never does: a process
/// for each look would see too few moments on a busy machine.
const WAIT_FOR_SAMPLES: &str = r#"
import sys, time, urllib.request
url, seconds, *samples = sys.argv[1:]
deadline = time.monotonic() + float(seconds)
names = {sample.split("{")[0] for sample in samples}
while True:
    lines = urllib.request.urlopen(url, timeout=20).read().decode().splitlines()
    if all(sample in lines for sample in samples):
        break
    if time.monotonic() > deadline:
        sys.exit("\n".join(line for line in lines if line.split("{")[0] in names))
    time.sleep(0.005)
"#;
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
        let sideman = overloaded(&format!("http://{address}:8000"))
            .args(&["--listen", &format!("unix:{}", path("web.sock"))])
            .network(&commands)
            .start();
        Some(Self { sideman, python, home })
    }

    fn under_load(&self, act: impl FnOnce()) {
        under_load_of(|| Client::connect_to(&self.home.join("web.sock")), 40, act);
    }

    /// Waits until the metrics have all of these lines at a time. They are asked for within the namespace.
    #[track_caller]
    fn until_samples(&self, samples: &[&str]) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.sideman.pid().to_string(), "--net"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(&self.python).args(["-c", WAIT_FOR_SAMPLES]);
        command.arg(format!("http://{}/metrics", self.sideman.admin()));
        command.arg(TIME_LIMIT.as_secs().to_string()).args(samples);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let found = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "waited in vain for {samples:?}: {found}");
    }
}

#[test]
fn workers_in_another_network_namespace_are_found_by_throughput() {
    let Some(namespaces) = Namespaces::start(true) else { return };
    namespaces.under_load(|| {
        let event = namespaces.sideman.late_event("cannot see which requests");
        assert!(event.contains("another network namespace"), "{event}");
        namespaces.until_samples(&["sideman_upstream_limit_source{source=\"throughput\"} 1"]);
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
        namespaces.until_samples(&[
            "sideman_upstream_limit_source{source=\"unread\"} 1",
            "sideman_limit{setting=\"upstream.max_in_flight\"} 3",
        ]);
    });
    let (_, events) = namespaces.sideman.stop_for_events();
    assert!(!events.iter().any(|event| event.contains("cannot see which requests")), "{events:?}");
}
