//! The end of the application, and of Sideman with it: restarts, giving up, exit status.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{application, child, command, kill, process, until_ended};
use crate::support::{Settings, TempDir, eventually};

#[test]
fn application_serves_and_ends_with_sideman() {
    let Some(settings) = child(&["{socket}"]) else { return };
    let temporary = TempDir::new();
    let settings = settings.variable("TMPDIR", temporary.path().to_str().unwrap());
    let sideman = settings.start().until_ready();
    let application = process(&sideman);
    let (code, lines) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    until_ended(application);
    let at = |part: &str| lines.iter().position(|line| line.contains(part)).unwrap();
    assert!(at("application started") < at("application accepts connections"));
    assert!(at("draining") < at("application stopped"), "{lines:#?}");
    // The directory of the socket was removed.
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn application_that_ends_is_started_again_while_requests_wait() {
    for address in ["{socket}", "{port}"] {
        let Some(settings) = child(&[address]) else { return };
        let sideman = settings.start().until_ready();
        let first = process(&sideman);
        assert_eq!(sideman.get("/exit/7").status, 200);
        assert_ne!(process(&sideman), first, "{address}");
        let event = sideman.event("application ended, starting it again");
        sideman.until_metric("sideman_application_starts_total", &[], 2.0);
        assert!(event.contains("exit status 7"), "{event}");
        assert_eq!(sideman.shut_down().0, Some(0));
    }
}

#[test]
fn workers_of_a_killed_application_are_ended_before_the_next_listens_at_the_port() {
    let Some(settings) = child(&["{port}", "worker"]) else { return };
    let sideman = settings.start().until_ready();
    let event = sideman.event(": worker ");
    let worker = event.rsplit(' ').next().unwrap().parse().unwrap();
    kill(process(&sideman));
    process(&sideman);
    until_ended(rustix::process::Pid::from_raw(worker).unwrap());
}

#[test]
fn application_that_never_starts_ends_sideman_with_its_status() {
    for (word, code, shown) in [
        ("exit3", 3, "exit status 3"),
        ("signal9", 137, "signal 9"),
        // A server that ends by itself is no success.
        ("exit0", 1, "exit status 0"),
    ] {
        let Some(settings) = child(&["{port}", word]) else { return };
        let begin = Instant::now();
        let ended = settings.run_to_end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let starts = ended.stderr.matches("application started").count();
        assert_eq!(starts, 5, "{}", ended.stderr);
        assert!(ended.stderr.contains("giving up") && ended.stderr.contains(shown));
        // The pauses are 0.1, 0.2, 0.4 and 0.8 s.
        assert!(begin.elapsed() >= Duration::from_millis(1500));
    }
}

#[test]
fn command_that_does_not_exist_ends_sideman_as_a_shell_would() {
    let directory = TempDir::new();
    let file = directory.write("text", "no program");
    for (program, code) in [("no-such-program", 127), (file.to_str().unwrap(), 126)] {
        let ended = command(Settings::exec(), &[program.to_owned()]).run_to_end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        let expected = "cannot start the program: give its path, or add its directory to PATH";
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn application_that_never_listens_is_reported() {
    let Some(settings) = child(&["nowhere"]) else { return };
    let sideman = settings.set("upstream.wait", "100ms").start();
    sideman.event("listens nowhere");
    let event =
        sideman.late_event("the application runs, but has not accepted a connection there yet");
    assert!(event.contains("127.0.0.1:") && event.contains("the port in PORT"), "{event}");
    assert_eq!(sideman.get("/healthz").status, 503);
    assert_eq!(sideman.shut_down().0, Some(0));
}

#[test]
fn application_that_ignores_sigterm_is_killed_in_time() {
    let Some(settings) = child(&["{socket}", "ignore-term"]) else { return };
    let sideman = settings.set("shutdown.timeout", "2s").start().until_ready();
    let application = process(&sideman);
    let begin = Instant::now();
    let (code, lines) = sideman.stop_for_events();
    assert_eq!(code, Some(137));
    assert!((Duration::from_secs(2)..Duration::from_secs(6)).contains(&begin.elapsed()));
    assert!(lines.iter().any(|line| line.contains("application killed")), "{lines:#?}");
    until_ended(application);
}

#[test]
fn second_signal_kills_the_application_at_once() {
    let Some(settings) = child(&["{socket}", "ignore-term"]) else { return };
    let sideman = settings.set("shutdown.timeout", "60s").start().until_ready();
    let application = process(&sideman);
    sideman.signal(Signal::TERM);
    sideman.event("draining");
    // One that comes during the drain ends the drain; a later one the application.
    let mut sideman = sideman;
    eventually("the end of the program", || {
        if sideman.is_running() {
            sideman.signal(Signal::TERM);
            return None;
        }
        Some(())
    });
    until_ended(application);
    assert_eq!(sideman.wait().0, Some(137));
}

#[test]
fn port_in_use_starts_no_application() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let Some(words) = application(&["{port}"]) else { return };
    let settings = Settings::exec().args(&["--listen", &address]);
    let ended = command(settings, &words).run_to_end();
    assert_eq!(ended.code, Some(1));
    assert!(!ended.stderr.contains("application started"), "{}", ended.stderr);
}

#[test]
fn application_ends_if_sideman_is_killed() {
    let Some(settings) = child(&["{socket}"]) else { return };
    let sideman = settings.start().until_ready();
    let application = process(&sideman);
    sideman.signal(Signal::KILL);
    // It is no child of the test: its own reaper may be slow.
    let path = format!("/proc/{}/status", application.as_raw_nonzero());
    eventually("the end of the application", || match std::fs::read_to_string(&path) {
        Ok(status) => status.contains("State:\tZ").then_some(()),
        Err(_) => Some(()),
    });
}
