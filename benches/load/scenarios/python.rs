//! Virtual environments with gunicorn alone, or with all application servers, made once under target/, of the versions
//! that the tests and the scenario `auto` pin.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use xxhash_rust::xxh3::xxh3_64;

/// Time limit for each of the two programs that make the environment. pip compiles uWSGI.
const LIMIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(20);
const MARK: &str = ".complete";

const OF_TESTS: &str = "tests/django/requirements.txt";
const OF_AUTO: &str = "benches/load/scenarios/auto/requirements.txt";

/// The Python of an environment that has gunicorn.
pub(crate) fn with_gunicorn() -> io::Result<PathBuf> {
    let pin = pin(OF_TESTS, "gunicorn")?;
    environment(&pin.replace("==", "-"), &[pin])
}

/// The Python of an environment that has all application servers of the scenario `auto`.
pub(crate) fn with_servers() -> io::Result<PathBuf> {
    let mut pins = Vec::new();
    for name in ["gunicorn", "uWSGI", "uvicorn"] {
        pins.push(pin(OF_TESTS, name)?);
    }
    for name in ["gevent", "granian", "packaging", "waitress"] {
        pins.push(pin(OF_AUTO, name)?);
    }
    environment(&format!("servers-{:016x}", xxh3_64(pins.join(" ").as_bytes())), &pins)
}

/// The line of a file that pins this package.
fn pin(file: &str, package: &str) -> io::Result<String> {
    let pins = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))?;
    let begin = format!("{package}==");
    let pin = pins.lines().find(|line| line.starts_with(&begin));
    pin.map(str::to_owned).ok_or_else(|| io::Error::other(format!("{file} pins no {package}")))
}

/// The Python of an environment with these packages.
fn environment(name: &str, pins: &[String]) -> io::Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("."));
    let python = Command::new("python3").arg("--version").stdin(Stdio::null()).output();
    let python = python.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("no python3 ({error}): install python3 and python3-venv"),
        )
    })?;
    let version = String::from_utf8_lossy(&python.stdout).trim().replace(' ', "-");
    let environment = target.join(format!("load-{name}-{version}"));

    // Two load tests at once: one makes the environment, the other waits here.
    let lock = File::create(target.join("load-python.lock"))?;
    lock.lock()?;
    let python = environment.join("bin/python");
    if environment.join(MARK).is_file() {
        return Ok(python);
    }
    match fs::remove_dir_all(&environment) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    bounded("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    bounded(
        "pip",
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-input", "--timeout", "15", "--retries", "2"])
            .args(pins),
    )?;
    File::create(environment.join(MARK))?;
    Ok(python)
}

/// Runs a program to its end, and kills it and its children when that takes too long.
fn bounded(what: &str, command: &mut Command) -> io::Result<()> {
    let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            return Err(io::Error::other(format!(
                "{what} ended with {status}: application servers cannot be installed without python3-venv \
                 and a package index"
            )));
        }
        if Instant::now() > deadline {
            kill_process_group(Pid::from_child(&child), Signal::KILL)?;
            child.wait()?;
            return Err(io::Error::other(format!("{what} had not ended after {LIMIT:?}")));
        }
        sleep(POLL);
    }
}
