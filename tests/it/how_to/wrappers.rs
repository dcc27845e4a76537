//! docs/how-to/from-wrappers.md: its image's command, with gunicorn, Django and Sideman.

use std::{
    fs,
    os::unix::{net::UnixStream, process::CommandExt as _},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Page, changed};
use crate::support::{
    App, Client, Django, Http2, Settings, TempDir, eventually, eventually_within,
};

/// The running command; all its processes are killed at the end.
struct Container {
    sideman: Child,
    home: TempDir,
}

// === impl Container ===

impl Container {
    /// The command of the page, with a socket for clients and the test project.
    fn start() -> Option<Self> {
        let django = Django::prepared()?;
        let (page, home) = (Page::read("from-wrappers.md"), django.home());
        let files = django.static_root.to_str().unwrap();
        let image = changed(page.block("dockerfile", "ENV"), &[("/app/staticfiles", files)]);
        let line = |begin: &str| image.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
        let variables = line("ENV ");
        let words: Vec<String> = serde_json::from_str(line("CMD ")).unwrap();
        assert_eq!(words[0], "sideman");
        let project = django.command("python", home.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_sideman"));
        // The test's own environment is not passed: cargo's variables would be settings.
        command.args(&words[1..]).current_dir(project.get_current_dir().unwrap()).env_clear();
        command.envs(project.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // The program `gunicorn` of a long path cannot name its interpreter.
        let log = fs::File::create(home.join("log")).unwrap();
        let python = django.environment.join("bin/python");
        let gunicorn = home.write(
            "gunicorn",
            format!("#!/bin/sh\nexec {} -m gunicorn \"$@\"\n", python.display()),
        );
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&gunicorn, mode).unwrap();
        command
            .envs(variables.split(' ').map(|pair| pair.split_once('=').unwrap()))
            .env("PATH", format!("{}:/usr/bin:/bin", home.path().display()))
            .env("SIDEMAN_LISTEN", format!("unix:{}", home.join("web.sock").display()))
            .env("SIDEMAN_ADMIN", "off")
            .env("SIDEMAN_SHUTDOWN__DELAY", "0s")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        let container = Self { sideman: command.spawn().unwrap(), home };
        let web = container.home.join("web.sock");
        eventually_within(std::time::Duration::from_secs(60), "a healthy site", || {
            UnixStream::connect(&web).ok()?;
            (Client::connect_to(&web).get("/healthz").status == 200).then_some(())
        });
        Some(container)
    }

    fn connect(&self) -> Client {
        Client::connect_to(&self.home.join("web.sock"))
    }

    /// The status of the container.
    #[track_caller]
    fn end(&mut self) -> Option<i32> {
        eventually("the end of sideman", || self.sideman.try_wait().unwrap()).code()
    }

    /// The processes of gunicorn, by the data directory that only they know.
    fn gunicorn(&self) -> Vec<Pid> {
        let own = format!("SITE_DATA={}", self.home.path().display());
        let all = fs::read_dir("/proc").unwrap();
        let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let is_one = |id: &i32| {
            let read = |name: &str| fs::read(format!("/proc/{id}/{name}"));
            let (Ok(variables), Ok(command)) = (read("environ"), read("cmdline")) else {
                return false;
            };
            String::from_utf8_lossy(&variables).split('\0').any(|pair| pair == own)
                && String::from_utf8_lossy(&command).contains("\0gunicorn\0")
                && !String::from_utf8_lossy(&command).contains("\0exec\0")
        };
        ids.filter(is_one).filter_map(Pid::from_raw).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.sideman), Signal::KILL);
        let _ = self.sideman.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.home.join("log")).unwrap_or_default());
        }
    }
}

#[test]
fn container_drains_sideman_before_gunicorn() {
    let Some(mut container) = Container::start() else { return };
    assert_eq!(container.connect().get("/echo").status, 200);
    let mut slow = container.connect();
    slow.send("GET /slow/?ms=2000 HTTP/1.1\r\nHost: example.test\r\n\r\n");
    // The request is in flight once a later one has a response.
    assert_eq!(container.connect().get("/echo").status, 200);
    kill_process(Pid::from_child(&container.sideman), Signal::TERM).unwrap();
    assert_eq!(slow.response().text(), "done\n");
    assert_eq!(container.end(), Some(0));
    assert_eq!(container.gunicorn(), []);
}

#[test]
fn container_outlives_gunicorn_and_gunicorn_not_sideman() {
    let Some(mut container) = Container::start() else { return };
    // The first process is the master.
    let first = *container.gunicorn().iter().min_by_key(|pid| pid.as_raw_nonzero()).unwrap();
    kill_process(first, Signal::TERM).unwrap();
    eventually("another master", || {
        let all = container.gunicorn();
        (!all.is_empty() && !all.contains(&first)).then_some(())
    });
    assert_eq!(container.connect().get("/echo").status, 200);
    container.sideman.kill().unwrap();
    assert_eq!(container.end(), None);
    eventually("the end of gunicorn", || container.gunicorn().is_empty().then_some(()));
}

#[test]
fn port_alone_is_an_address() {
    use clap::Parser as _;
    use sideman::command::args::{Cli, Command};

    Page::read("from-wrappers.md").says(&["The port is 8080, or that in `PORT`"]);
    let parsed = Cli::try_parse_from(["sideman", "run", "--listen", "5000"]).unwrap();
    assert!(matches!(parsed.command, Some(Command::Run(_))));
    let checked = ["check", "--all", "--listen", "5000", "--upstream", "http://127.0.0.1:8000"];
    let ended = Settings::default().args(&checked).run_to_end();
    assert!(ended.code == Some(0) && ended.stdout.contains("0.0.0.0:5000"), "{}", ended.stdout);
}

#[test]
fn http2_with_prior_knowledge_needs_no_setting() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = Http2::connect(sideman.address());
    assert_eq!(client.get("/").text(), "hello");
}
