//! docs/how-to/from-wrappers.md: its script, with gunicorn, Django and Sideman.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Page, changed};
use crate::support::{
    App, Client, Django, Http2, Settings, TempDir, eventually, eventually_within, skip,
};

/// The running script; all its processes are killed at the end.
struct Container {
    bash: Child,
    home: TempDir,
}

// === impl Container ===

impl Container {
    /// The script of the page, with a socket for clients and the test project.
    fn start() -> Option<Self> {
        let django = Django::prepared()?;
        if fs::metadata("/bin/bash").is_err() {
            skip("bash is not installed", "install the package bash");
            return None;
        }
        let (page, home) = (Page::read("from-wrappers.md"), django.home());
        let socket = home.join("app.sock").display().to_string();
        let script = page.block("bash", "gunicorn");
        let script =
            changed(script, &[("/tmp/app.sock", &socket), ("project.wsgi", "project.wsgi")]);
        let image = changed(
            page.block("dockerfile", "ENV"),
            &[
                ("/tmp/app.sock", &socket),
                ("/app/staticfiles", django.static_root.to_str().unwrap()),
            ],
        );
        let variables = image.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
        let mut command = Command::new("/bin/bash");
        let project = django.command("python", home.path());
        // The test's own environment is not passed: cargo's variables would be settings.
        command.current_dir(project.get_current_dir().unwrap()).env_clear();
        command.envs(project.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let sideman = Path::new(env!("CARGO_BIN_EXE_sideman")).parent().unwrap();
        let programs = django.environment.join("bin");
        let path = format!("{}:{}:/usr/bin:/bin", programs.display(), sideman.display());
        let log = fs::File::create(home.join("log")).unwrap();
        command
            .arg(home.write("start.sh", script))
            .envs(variables.split(' ').map(|pair| pair.split_once('=').unwrap()))
            .env("PATH", path)
            .env("SIDEMAN_LISTEN", format!("unix:{}", home.join("web.sock").display()))
            .env("SIDEMAN_ADMIN", "off")
            .env("SIDEMAN_SHUTDOWN__DELAY", "0s")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let container = Self { bash: command.spawn().unwrap(), home };
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
        eventually("the end of the script", || self.bash.try_wait().unwrap()).code()
    }

    /// The processes of the script whose command has this word.
    fn processes(&self, word: &str) -> Vec<Pid> {
        let group = self.bash.id();
        let all = fs::read_dir("/proc").unwrap();
        let ids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let is_one = |id: &i32| {
            let read = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}"));
            let (Ok(status), Ok(command)) = (read("stat"), read("cmdline")) else { return false };
            // Fields after the name: state, parent, group.
            let rest = status.rsplit(')').next().unwrap_or_default();
            let of = rest.split_whitespace().nth(2).and_then(|number| number.parse().ok());
            of == Some(group) && command.contains(word)
        };
        ids.filter(is_one).filter_map(Pid::from_raw).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.bash), Signal::KILL);
        let _ = self.bash.wait();
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
    kill_process(Pid::from_child(&container.bash), Signal::TERM).unwrap();
    assert_eq!(slow.response().text(), "done\n");
    assert_eq!(container.end(), Some(0));
    assert_eq!(container.processes("gunicorn"), []);
}

#[test]
fn container_ends_with_either_of_its_processes() {
    for name in ["gunicorn", "sideman\0run"] {
        let Some(mut container) = Container::start() else { return };
        let processes = container.processes(name);
        // The first gunicorn process is the master.
        let first = processes.iter().min_by_key(|pid| pid.as_raw_nonzero()).unwrap();
        kill_process(*first, Signal::TERM).unwrap();
        assert_eq!(container.end(), Some(0), "{name}");
        for name in ["gunicorn", "sideman\0run"] {
            assert_eq!(container.processes(name), [], "{name}");
        }
    }
}

#[test]
fn port_alone_is_an_address() {
    use clap::Parser as _;
    use sideman::command::args::{Cli, Command};

    Page::read("from-wrappers.md").says(&["`sideman run --listen \"$PORT\"`"]);
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
