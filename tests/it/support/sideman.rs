//! The running program under test: its addresses, log lines, metrics, and exit.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    os::fd::OwnedFd,
    process::{Child, ChildStdout},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{
    client::{Client, Response},
    prometheus::{Sample, samples},
    settings::{Settings, Stdout},
    wait::{TIME_LIMIT, eventually, eventually_is},
};

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Sideman {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    stdout: Option<Lines>,
    stderr: Lines,
    /// Pipes that are not read, and stay open.
    held: Option<ChildStdout>,
}

/// The lines that a thread reads from a pipe.
#[derive(Debug)]
struct Lines {
    read: Arc<(Mutex<Pipe>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Pipe {
    lines: Vec<String>,
    is_closed: bool,
    /// Keeps the pipe open that is not read any more.
    held: Option<BufReader<File>>,
}

const ADMIN_LISTENS: &str = "admin listening";

// === impl Sideman ===

impl Sideman {
    #[track_caller]
    pub(crate) fn start(settings: &Settings) -> Self {
        let mut sideman = Self::spawn(settings);
        let is_admin = |line: &str| line.contains(ADMIN_LISTENS);
        sideman.address = sideman.listening(|line| !is_admin(line));
        sideman.admin = sideman.listening(is_admin);
        // Only one program has the default port, and tests run side by side.
        assert_ne!(sideman.admin.port(), 9180, "start it with `--admin 127.0.0.1:0`");
        sideman
    }

    /// Without a plain listener.
    #[track_caller]
    pub(crate) fn start_without_http(settings: &Settings) -> Self {
        let mut sideman = Self::spawn(settings);
        sideman.admin = sideman.listening(|line| line.contains(ADMIN_LISTENS));
        sideman
    }

    /// The demo has no event for what its banner on stdout says.
    #[track_caller]
    pub(crate) fn start_demo(settings: &Settings) -> Self {
        let mut sideman = Self::spawn(settings);
        sideman.address = sideman.shown("Site ");
        sideman.admin = sideman.shown("Metrics ");
        sideman
    }

    /// The address for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A value from /proc/PID/status.
    #[track_caller]
    pub(crate) fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in\n{status}")).trim().to_owned()
    }

    /// A size from there, in bytes: `RssAnon` is the private memory of the process.
    #[track_caller]
    pub(crate) fn memory(&self, name: &str) -> u64 {
        self.status(name).trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// GET on a new connection.
    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Response {
        self.connect().get(target)
    }

    /// Waits until the health check reports readiness.
    #[track_caller]
    pub(crate) fn until_ready(self) -> Self {
        eventually("a good health check", || (self.get("/healthz").status == 200).then_some(()));
        self
    }

    /// Waits for an access-log line.
    #[track_caller]
    pub(crate) fn log_line(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let stdout = self.stdout.as_ref().unwrap();
        stdout.find(&format!("a log line: {what}"), |line| Some(json(line)).filter(&wanted))
    }

    /// Waits for the access-log line of this path.
    #[track_caller]
    pub(crate) fn log_of(&self, path: &str) -> Value {
        self.log_line(path, |line| line["path"] == path)
    }

    /// Waits for a line on stdout, in any format.
    #[track_caller]
    pub(crate) fn out_line(&self, part: &str) -> String {
        let wanted = |line: &str| line.contains(part).then(|| line.to_owned());
        self.stdout.as_ref().unwrap().find(&format!("{part:?} on stdout"), wanted)
    }

    /// Waits longer, for lines that are written once a minute.
    #[track_caller]
    pub(crate) fn late_out_line(&self, part: &str) -> String {
        let wanted = |line: &str| line.contains(part).then(|| line.to_owned());
        let stdout = self.stdout.as_ref().unwrap();
        stdout.find_within(TIME_LIMIT * 6, &format!("{part:?} on stdout"), wanted)
    }

    /// Waits for a line on stderr.
    #[track_caller]
    pub(crate) fn event(&self, part: &str) -> String {
        let wanted = |line: &str| line.contains(part).then(|| line.to_owned());
        self.stderr.find(&format!("{part:?} on stderr"), wanted)
    }

    /// Waits longer, for events of background work at the lowest priority.
    #[track_caller]
    pub(crate) fn late_event(&self, part: &str) -> String {
        let wanted = |line: &str| line.contains(part).then(|| line.to_owned());
        self.stderr.find_within(TIME_LIMIT * 6, &format!("{part:?} on stderr"), wanted)
    }

    /// The address of the admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// GET at the admin listener.
    #[track_caller]
    pub(crate) fn admin_get(&self, target: &str) -> Response {
        Client::connect(self.admin).get(target)
    }

    /// POST at the admin listener, without a body, as for a reload.
    #[track_caller]
    pub(crate) fn admin_post(&self, target: &str) -> Response {
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
        Client::connect(self.admin).send(head + "Sideman-Reload: 1\r\n\r\n").response()
    }

    /// The sum of all samples with this name and these labels.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let all = samples(&self.admin_get("/metrics").text());
        let has = |sample: &Sample| {
            sample.name == name
                && labels.iter().all(|&(key, value)| sample.label(key) == Some(value))
        };
        assert!(all.iter().any(|sample| sample.name == name), "no metric {name}");
        all.iter().filter(|sample| has(sample)).map(|sample| sample.value).sum()
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub(crate) fn until_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let what = format!("{name}{labels:?}");
        eventually_is(&what, &value, || self.metric(name, labels));
    }

    /// Begins to read the held stdout.
    pub(crate) fn read_stdout(&mut self) {
        self.stdout = self.held.take().map(|pipe| Lines::read(pipe, None));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the process exits; returns the exit code and every line of stdout.
    #[track_caller]
    pub(crate) fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let status = eventually("the end of the program", || self.child.try_wait().unwrap());
        let lines = self.stdout.as_mut().map(Lines::finish).unwrap_or_default();
        (status.code(), lines)
    }

    /// Sends SIGTERM and waits until the process exits; returns the exit code and every line of stderr.
    #[track_caller]
    pub(crate) fn stop_for_events(mut self) -> (Option<i32>, Vec<String>) {
        self.signal(Signal::TERM);
        let status = eventually("the end of the program", || self.child.try_wait().unwrap());
        (status.code(), self.stderr.finish())
    }

    /// Sends SIGTERM and waits until the process exits; returns the exit code and every line of stdout.
    #[track_caller]
    pub(crate) fn shut_down(self) -> (Option<i32>, Vec<String>) {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Does not wait until it listens.
    fn spawn(settings: &Settings) -> Self {
        let mut child = settings.command().spawn().unwrap();
        let last_event = settings.holds_stderr.then_some(ADMIN_LISTENS);
        let stderr = Lines::read(child.stderr.take().unwrap(), last_event);
        let (stdout, held) = match (child.stdout.take(), &settings.stdout) {
            (Some(pipe), Stdout::Read) => (Some(Lines::read(pipe, None)), None),
            (Some(pipe), Stdout::Held) => (None, Some(pipe)),
            (Some(_) | None, _) => (None, None),
        };
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        // Made before it is known to run, so that a later failure kills it and shows its events.
        Self { child, address: nowhere, admin: nowhere, stdout, stderr, held }
    }

    /// An address that is shown as `label  http://address/`.
    #[track_caller]
    fn shown(&self, label: &str) -> SocketAddr {
        let line = self.out_line(label);
        let (_, url) = line.split_once("http://").unwrap();
        url.split('/').next().unwrap().parse().unwrap()
    }

    #[track_caller]
    fn listening(&self, wanted: impl Fn(&str) -> bool) -> SocketAddr {
        self.stderr.find("listening address=", |line| {
            let (_, address) = line.split_once("listening address=")?;
            wanted(line).then(|| address.split_whitespace().next()?.parse().ok()).flatten()
        })
    }
}

impl Drop for Sideman {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let out = self.stdout.as_mut().map(Lines::finish).unwrap_or_default();
            let err = self.stderr.finish();
            eprintln!("--- stderr of sideman\n{}", err.join("\n"));
            eprintln!("--- last lines of its stdout");
            out.iter().rev().take(10).rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Every line on stdout is one JSON object.
#[track_caller]
pub(crate) fn json(line: &str) -> Value {
    match serde_json::from_str(line) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) | Err(_) => panic!("no JSON object on stdout: {line:?}"),
    }
}

// === impl Lines ===

impl Lines {
    /// Reads to the end, or to a line with `last` in it; then the pipe stays open and unread.
    fn read(pipe: impl Into<OwnedFd>, last: Option<&'static str>) -> Self {
        let read = Arc::<(Mutex<Pipe>, Condvar)>::default();
        let written = Arc::clone(&read);
        let mut pipe = BufReader::new(File::from(pipe.into()));
        let reader = thread::spawn(move || {
            let (read, changed) = &*written;
            for line in pipe.by_ref().split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let is_last = last.is_some_and(|last| line.contains(last));
                lock(read).lines.push(line);
                changed.notify_all();
                if is_last {
                    lock(read).held = Some(pipe);
                    return;
                }
            }
            lock(read).is_closed = true;
            changed.notify_all();
        });
        Self { read, reader: Some(reader) }
    }

    /// Waits for a line for which `wanted` returns a value.
    #[track_caller]
    fn find<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.find_within(TIME_LIMIT, what, wanted)
    }

    #[track_caller]
    fn find_within<T>(
        &self,
        patience: Duration,
        what: &str,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> T {
        let (read, changed) = &*self.read;
        let deadline = Instant::now() + patience;
        let mut pipe = lock(read);
        loop {
            if let Some(found) = pipe.lines.iter().find_map(|line| wanted(line)) {
                return found;
            }
            assert!(!pipe.is_closed, "the program ended without: {what}");
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited {patience:?} in vain: {what}");
            pipe = changed.wait_timeout(pipe, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All lines, once the pipe is closed.
    fn finish(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        lock(&self.read.0).lines.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
