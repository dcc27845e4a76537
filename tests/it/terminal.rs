//! Behaviour at a terminal.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use crate::support::{App, Gate, Origin, Settings, Tool, expect, open, until_closed};

/// Runs a program at its own terminal, and passes on input and output.
const TERMINAL: &str =
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
const CTRL_C: &[u8] = b"\x03";

/// A program at a terminal.
struct Terminal {
    child: Child,
    shown: Receiver<String>,
}

// === impl Terminal ===

impl Terminal {
    fn start(settings: &Settings) -> Option<Self> {
        let python = Tool::Python.path()?;
        let program = settings.command();
        let mut command = Command::new(python);
        command.args(["-c", TERMINAL]).arg(program.get_program()).args(program.get_args());
        command.env_clear();
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, shown) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Some(Self { child, shown })
    }

    /// Waits for a line with this text.
    #[track_caller]
    fn until(&self, part: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.shown.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => before.push(line),
                Err(error) => panic!("never {part:?} ({error}), but {before:#?}"),
            }
        }
    }

    fn press(&mut self, key: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(key).unwrap();
    }

    fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program ends with its terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In front of an application, with free ports, and with default settings otherwise.
fn run(upstream: &str) -> Settings {
    Settings::default()
        .args(&["run", "--upstream", upstream, "--listen", "127.0.0.1:0"])
        .args(&["--admin", "127.0.0.1:0"])
}

const AGAIN: &str = "press Ctrl-C again to stop at once";

#[test]
fn shutdown_at_a_terminal_has_no_delay_and_offers_a_second_ctrl_c() {
    let application = App::saying("hello");
    let Some(mut terminal) = Terminal::start(&run(&application.url())) else { return };
    terminal.until(" ready ");
    terminal.press(CTRL_C);
    assert!(terminal.until("draining").contains("delay=0ns"));
    terminal.until(AGAIN);
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn configured_delay_applies_at_a_terminal_until_the_second_ctrl_c() {
    // Without this request the origin would fail.
    if Tool::Python.path().is_none() {
        return;
    }
    let asked = Gate::new();
    let origin = Origin::script([expect("GET / "), open(&asked), until_closed()]);
    let settings = run(&origin.url()).set("shutdown.delay", "5m").set("shutdown.timeout", "10m");
    let Some(mut terminal) = Terminal::start(&settings) else { return };
    let line = terminal.until(" listening ");
    let (_, address) = line.trim_end().rsplit_once("address=").unwrap();
    let mut client = crate::support::Client::connect(address.parse().unwrap());
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    terminal.press(CTRL_C);
    assert!(terminal.until("draining").contains("delay=300s"));
    terminal.until(AGAIN);
    terminal.press(CTRL_C);
    // A request was aborted.
    assert_eq!(terminal.wait(), Some(3));
}

#[test]
fn shutdown_without_a_terminal_has_the_default_delay() {
    let application = App::saying("hello");
    let sideman = run(&application.url()).start().until_ready();
    sideman.signal(rustix::process::Signal::INT);
    assert!(sideman.event("draining").contains("delay=5s"));
    let (code, events) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    assert!(!events.iter().any(|line| line.contains(AGAIN)), "{events:#?}");
}

#[test]
fn demo_announces_the_second_ctrl_c() {
    let settings =
        Settings::default().args(&["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let Some(mut terminal) = Terminal::start(&settings) else { return };
    terminal.until("Metrics ");
    terminal.press(CTRL_C);
    terminal.until(AGAIN);
    assert_eq!(terminal.wait(), Some(0));
}

#[test]
fn watched_status_replaces_itself_until_ctrl_c() {
    let application = App::saying("hello");
    let sideman = run(&application.url()).start().until_ready();
    let admin = sideman.admin().to_string();
    let settings = Settings::default().args(&["status", "--watch", "--admin", &admin]);
    let Some(mut terminal) = Terminal::start(&settings) else { return };
    // The cursor goes to the first line of the screen, and the rest of each line is cleared.
    for _ in 0..2 {
        assert!(terminal.until("process").ends_with("\u{1b}[Hprocess\u{1b}[K"));
        terminal.until("  phase                      ready\u{1b}[K");
    }
    assert_eq!(sideman.shut_down().0, Some(0));
    terminal.until("cannot connect");
    terminal.press(CTRL_C);
    // Ended by SIGINT: Python has -2 for it, modulo 256.
    assert_eq!(terminal.wait(), Some(254));
}

#[test]
fn dumb_terminal_gets_no_escape_sequences() {
    let application = App::saying("hello");
    let sideman = run(&application.url()).start().until_ready();
    let admin = sideman.admin().to_string();
    let settings = Settings::default()
        .args(&["status", "--watch", "--admin", &admin])
        .variable("TERM", "dumb");
    let Some(mut terminal) = Terminal::start(&settings) else { return };
    for _ in 0..2 {
        let shown = terminal.until("  phase                      ready");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
    terminal.press(CTRL_C);
    assert_eq!(terminal.wait(), Some(254));
}

#[test]
fn status_is_watched_by_other_programs_too() {
    let application = App::saying("hello");
    let sideman = run(&application.url()).start().until_ready();
    let admin = sideman.admin().to_string();
    let mut command =
        Settings::default().args(&["status", "--watch", "--json", "--admin", &admin]).command();
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next().unwrap().unwrap();
        let status: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(status["process"]["phase"], "ready");
    }
    // Nobody reads it any more.
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
