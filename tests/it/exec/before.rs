//! `--before`: commands that run once, in order, before the application.

use std::fs;

use super::{application, command, process};
use crate::support::{Settings, TempDir, Tool};

#[test]
fn commands_run_in_order_and_once() {
    let Some(words) = application(&["{socket}"]) else { return };
    let directory = TempDir::new();
    let file = directory.join("lines");
    let before = |text: &str| format!("/bin/sh -c 'echo \"{text}\" >> {}'", file.display());
    let settings =
        Settings::exec().args(&["--before", &before("one two"), "--before", &before("three")]);
    let sideman = command(settings, &words).start().until_ready();
    assert_eq!(sideman.get("/exit/1").status, 200);
    process(&sideman);
    assert_eq!(fs::read_to_string(&file).unwrap(), "one two\nthree\n");
    assert_eq!(sideman.shut_down().0, Some(0));
}

#[test]
fn command_that_fails_ends_sideman_with_its_status() {
    let Some(words) = application(&["{socket}"]) else { return };
    for (text, code) in [("/bin/sh -c 'exit 4'", 4), ("/bin/false", 1), ("no-such-program a", 127)]
    {
        let settings = Settings::exec().args(&["--before", "/bin/true", "--before", text]);
        let ended = command(settings.args(&["--before", "touch"]), &words).run_to_end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(!ended.stderr.contains("application started"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("touch"), "{}", ended.stderr);
        let program = text.split(' ').next().unwrap();
        assert!(ended.stderr.contains(program), "{}", ended.stderr);
    }
}

#[test]
fn command_that_cannot_be_split_is_a_problem() {
    let settings = Settings::exec().args(&["--before", "a && b"]);
    let ended = command(settings, &["true".to_owned()]).run_to_end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("write --before once for each command"), "{}", ended.stderr);
}

#[test]
fn signal_ends_the_command_and_starts_no_application() {
    let Some(words) = application(&["{socket}"]) else { return };
    let settings = Settings::exec().args(&["--before", "/bin/sleep 600"]);
    let sideman = command(settings, &words).start();
    sideman.event("running a command before the application");
    // Meanwhile health checks fail, and the port is open.
    assert_eq!(sideman.get("/healthz").status, 503);
    let (code, lines) = sideman.stop_for_events();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("application started")), "{lines:#?}");
}

#[test]
fn no_shell_is_needed() {
    let Some(words) = application(&["{socket}"]) else { return };
    // The interpreter itself: what is called python3 may be a script of a shell.
    let print = ["-c", "import sys; print(sys.executable)"];
    let Some(output) = Tool::Python.run(&print, "") else { return };
    let executable = String::from_utf8(output.stdout).unwrap();
    // A directory that has nothing else.
    let programs = TempDir::new();
    std::os::unix::fs::symlink(executable.trim(), programs.join("python3")).unwrap();
    let file = programs.join("made");
    let before = format!("python3 -c 'open(\"{}\", \"w\")'", file.display());
    let settings = Settings::exec().variable("PATH", programs.path().to_str().unwrap());
    let settings = settings.args(&["--before", &before]);
    let words = [&["python3".to_owned()], &words[1..]].concat();
    let sideman = command(settings, &words).start().until_ready();
    process(&sideman);
    assert!(file.is_file());
    assert_eq!(sideman.shut_down().0, Some(0));
}
