//! `sideman exec`: the application as a child of Sideman, scripted (`child.py`) and real.

mod addresses;
mod before;
mod ends;
mod first_process;
mod load;
mod output;
mod servers;
mod signals;

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Settings, Sideman, Tool, eventually};

/// `sideman exec` with these words of `child.py`. Skips the test without Python.
#[track_caller]
fn child(words: &[&str]) -> Option<Settings> {
    Some(command(Settings::exec(), &application(words)?))
}

/// The command of the scripted application.
#[track_caller]
fn application(words: &[&str]) -> Option<Vec<String>> {
    let python = Tool::Python.path()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/exec/child.py");
    let first = [python.display().to_string(), script.display().to_string()];
    Some(first.into_iter().chain(words.iter().map(|&word| word.to_owned())).collect())
}

/// Adds the application's command.
fn command(settings: Settings, words: &[String]) -> Settings {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    settings.args(&["--"]).args(&words)
}

/// The process id that the application has responded with.
#[track_caller]
fn process(sideman: &Sideman) -> Pid {
    let response = sideman.get("/");
    assert_eq!(response.status, 200, "{}", response.text());
    Pid::from_raw(response.text().parse().unwrap()).unwrap()
}

#[track_caller]
fn kill(process: Pid) {
    kill_process(process, Signal::KILL).unwrap();
}

/// Waits until a process has ended, and was reaped.
#[track_caller]
fn until_ended(process: Pid) {
    let path = format!("/proc/{}", process.as_raw_nonzero());
    eventually("the end of a process", || fs::metadata(&path).is_err().then_some(()));
}
