//! The only way for a test to skip checks that this machine cannot run. Each skip is listed after the
//! results, with what to install, and `SIDEMAN_SKIP_NOTHING=1` turns each into a failure.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{ChildStdin, Command, Output, Stdio},
    sync::Mutex,
    thread,
};

/// A program that is not part of Rust, and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tool {
    Chromium,
    Curl,
    H2load,
    Haproxy,
    Nghttp,
    Nginx,
    Openssl,
    Pebble,
    PebbleDns,
    Promtool,
    Python,
    Redis,
    SystemdAnalyze,
}

/// Collects lines until the tests have ended in any way, then prints them. The test
/// runner has no hook at its end, but the pipe closes with its process.
const PRINTER: &str = r#"
trap "" INT TERM
lines=
while IFS= read -r line; do
    lines="$lines  $line
"
done
printf '\nskipped:\n%s%s\n' "$lines" "$0" >&2
"#;

const FOOTER: &str = "With SIDEMAN_SKIP_NOTHING=1 each of these is a failure.";

/// Skips the rest of a test: followed by `return`. Names the missing program and the remedy.
/// Fails the test under `SIDEMAN_SKIP_NOTHING=1`.
#[track_caller]
pub(crate) fn skip(missing: &str, remedy: &str) {
    static LIST: Mutex<Option<ChildStdin>> = Mutex::new(None);
    let strict = std::env::var_os("SIDEMAN_SKIP_NOTHING").is_some_and(|value| value == "1");
    assert!(!strict, "nothing may be skipped here: {missing}; {remedy}");
    let current = thread::current();
    let line = format!("{}: {missing}; {remedy}", current.name().unwrap_or("a test"));
    let mut list = LIST.lock().unwrap();
    let printer = list.get_or_insert_with(|| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", PRINTER, FOOTER]).stdin(Stdio::piped()).stdout(Stdio::null());
        shell.spawn().unwrap().stdin.take().unwrap()
    });
    writeln!(printer, "{}", line.replace('\n', " ")).unwrap();
}

// === impl Tool ===

impl Tool {
    /// Its name, and its Debian package.
    const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Chromium => ("chromium", "chromium"),
            Self::Curl => ("curl", "curl"),
            Self::H2load => ("h2load", "nghttp2-client"),
            Self::Haproxy => ("haproxy", "haproxy"),
            Self::Nghttp => ("nghttp", "nghttp2-client"),
            Self::Nginx => ("nginx", "nginx-light"),
            Self::Openssl => ("openssl", "openssl"),
            Self::Pebble => ("pebble", "pebble"),
            Self::PebbleDns => ("pebble-challtestsrv", "pebble"),
            Self::Python => ("python3", "python3"),
            Self::Promtool => ("promtool", "prometheus"),
            Self::Redis => ("redis-server", "redis-server"),
            Self::SystemdAnalyze => ("systemd-analyze", "systemd"),
        }
    }

    /// The path of the program. Skips the test if it is not installed.
    #[track_caller]
    pub(crate) fn path(self) -> Option<PathBuf> {
        let (name, package) = self.described();
        let path = find(name);
        if path.is_none() {
            skip(&format!("{name} is not installed"), &format!("install the package {package}"));
        }
        path
    }

    /// The program, which is killed after a minute. Skips the test if it is not installed.
    #[track_caller]
    pub(crate) fn command(self) -> Option<Command> {
        let path = self.path()?;
        let mut command = Command::new("timeout");
        command.arg("60").arg(path);
        Some(command)
    }

    /// Runs the program to its end with this input. Skips the test if it is not installed.
    #[track_caller]
    pub(crate) fn run(self, arguments: &[&str], input: &str) -> Option<Output> {
        let mut command = self.command()?;
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may have exited without reading.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Some(child.wait_with_output().unwrap())
    }
}

/// Whether the program under test can have its own mounts (`Settings::mounts`). Skips the
/// test if not.
#[track_caller]
pub(crate) fn can_mount() -> bool {
    let mount = "mount -t tmpfs -o size=1m tmpfs /mnt";
    let mut probe = Namespace::Mount.command(mount, "/bin/true".as_ref());
    if probe.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    skip(
        "nothing can be mounted",
        "run as root, or allow user namespaces (unshare --map-root-user)",
    );
    false
}

/// Whether the program under test can have its own network namespace (`Settings::network`), with interfaces. Skips the
/// test if not.
#[track_caller]
pub(crate) fn can_have_network() -> bool {
    let link = "ip link add near type veth peer name far";
    let mut probe = Namespace::Network.command(link, "/bin/true".as_ref());
    if probe.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    skip(
        "no network namespace can be set up",
        "install the package iproute2, and run as root or allow user namespaces (unshare --map-root-user)",
    );
    false
}

/// What a program has for itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Namespace {
    Mount,
    Network,
}

// === impl Namespace ===

impl Namespace {
    /// A program in a namespace of its own, after a line of shell that sets it up.
    pub(super) fn command(self, commands: &str, program: &std::path::Path) -> Command {
        let mut command = Command::new("unshare");
        command.arg(match self {
            Self::Mount => "--mount",
            Self::Network => "--net",
        });
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = format!("{commands} && exec \"$0\" \"$@\"");
        command.args(["/bin/sh", "-c", &script]).arg(program);
        command
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}
