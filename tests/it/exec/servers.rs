//! Real servers of Django get their address as each of them knows it.

use std::{fs, time::Duration};

use rustix::process::Signal;

use super::command;
use crate::support::{Django, Settings, Sideman, TempDir, eventually_within};

/// Python starts slowly on a busy machine.
const START: Duration = Duration::from_secs(90);

/// Django's project with this command, whose first word is a program of its environment.
fn start(django: &'static Django, home: &TempDir, words: &[&str]) -> Sideman {
    let variables = django.command("python", home.path());
    let pairs =
        variables.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let mut settings = pairs.fold(Settings::exec(), |all, (name, value)| all.variable(name, value));
    let project = variables.get_current_dir().unwrap().to_str().unwrap().to_owned();
    settings = settings
        .variable("PYTHONPATH", &project)
        .variable("TMPDIR", home.path().to_str().unwrap())
        .set("upstream.wait", "90s");
    let [program, arguments @ ..] = words else { unreachable!("a command has a program") };
    let program = match program.starts_with('/') {
        true => (*program).to_owned(),
        false => django.environment.join("bin").join(program).display().to_string(),
    };
    let words: Vec<_> =
        [program].into_iter().chain(arguments.iter().map(|&word| word.to_owned())).collect();
    let sideman = command(settings, &words).start();
    eventually_within(START, "a healthy site", || {
        (sideman.get("/healthz").status == 200).then_some(())
    });
    sideman
}

/// The process that responds.
fn worker(sideman: &Sideman) -> String {
    let mut client = sideman.connect().with_timeout(START);
    let response = client.get("/echo");
    assert_eq!(response.status, 200, "{}", response.text());
    response.header("x-process").unwrap().to_owned()
}

/// Serves, reloads if it can, is killed and started again, and stops.
#[track_caller]
fn check(words: &[&str], reloads: bool) {
    let Some(django) = Django::prepared() else { return };
    let home = django.home();
    let sideman = start(django, &home, words);
    let first = worker(&sideman);
    if reloads {
        sideman.signal(Signal::HUP);
        sideman.event("signal passed to the application");
        eventually_within(START, "a new worker", || (worker(&sideman) != first).then_some(()));
    }
    let event = sideman.event("application started");
    let pid = event.split("pid=").nth(1).unwrap().split(' ').next().unwrap();
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    let before = worker(&sideman);
    super::kill(pid);
    sideman.event("application ended, starting it again");
    // A worker without its master may complete what it has begun.
    eventually_within(START, "a new worker", || (worker(&sideman) != before).then_some(()));
    sideman.event("signal 9");
    assert!(!sideman.event("started version").contains("not accessible"));
    let (code, lines) = sideman.stop_for_events();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("application stopped")), "{lines:#?}");
    // No process of the application is left.
    let is_left = |entry: &fs::DirEntry| {
        let variables = fs::read(entry.path().join("environ")).unwrap_or_default();
        let home = format!("SITE_DATA={}", home.path().display());
        String::from_utf8_lossy(&variables).split('\0').any(|pair| pair == home)
    };
    assert_eq!(fs::read_dir("/proc").unwrap().flatten().filter(is_left).count(), 0);
}

#[test]
fn gunicorn_gets_a_socket_and_reloads() {
    check(
        &["python", "-m", "gunicorn", "--workers", "2", "--no-control-socket", "project.wsgi"],
        true,
    );
}

#[test]
fn gunicorn_with_the_worker_of_uvicorn_gets_a_socket() {
    let class = "uvicorn.workers.UvicornWorker";
    check(&["python", "-m", "gunicorn", "--no-control-socket", "-k", class, "project.asgi"], true);
}

#[test]
fn gunicorn_in_a_script_gets_a_port() {
    let Some(django) = Django::prepared() else { return };
    let python = django.environment.join("bin/python").display().to_string();
    let script = format!("{python} -m gunicorn --no-control-socket project.wsgi; exit $?");
    check(&["/bin/sh", "-c", &script], false);
}

#[test]
fn uvicorn_gets_a_socket() {
    check(&["python", "-m", "uvicorn", "--lifespan", "off", "project.asgi:application"], false);
}

#[test]
fn uwsgi_gets_a_socket_and_ends_on_sigterm() {
    let Some(django) = Django::prepared() else { return };
    let environment = django.environment.display().to_string();
    let words = ["uwsgi", "--master", "--processes", "2", "--need-app", "--module", "project.wsgi"];
    check(&[&words[..], &["--virtualenv", &environment]].concat(), true);
}

#[test]
fn runserver_gets_a_port() {
    let manage = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/manage.py");
    check(&["python", manage, "runserver", "--noreload"], false);
}
