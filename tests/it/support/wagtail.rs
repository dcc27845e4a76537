//! A real Wagtail: the site of tests/wagtail, migrated and filled once under target/, and served by gunicorn.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use rustix::process::{Pid, Signal, kill_process_group};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    TempDir,
    python::{PASSWORD, REMEDY, USER, environment, lock, once, output, read_all, target},
    reserved_address::{Protocol, ReservedAddress, Transport},
    skip::skip,
};

/// A site with a database of its own. Its server and workers are killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Wagtail {
    environment: PathBuf,
    home: TempDir,
    reserved: ReservedAddress,
    child: Option<Child>,
}

/// What all tests share.
#[derive(Debug)]
struct Prepared {
    environment: PathBuf,
    database: PathBuf,
}

// === impl Wagtail ===

impl Wagtail {
    /// A site that is not served yet. Skips the test if it cannot be set up on this machine.
    #[track_caller]
    pub(crate) fn prepared() -> Option<Self> {
        static PREPARED: OnceLock<Result<Prepared, String>> = OnceLock::new();
        let prepared = match PREPARED.get_or_init(Prepared::prepare) {
            Ok(prepared) => prepared,
            Err(missing) => {
                skip(missing, REMEDY);
                return None;
            }
        };
        let home = TempDir::new();
        fs::copy(&prepared.database, home.join("db.sqlite3")).unwrap();
        let reserved = ReservedAddress::new(Transport { protocol: Protocol::Http, is_unix: false });
        Some(Self { environment: prepared.environment.clone(), home, reserved, child: None })
    }

    /// The value of `upstream.url`.
    pub(crate) fn url(&self) -> String {
        self.reserved.url()
    }

    /// SITE_DATA of the site.
    pub(crate) fn home(&self) -> &TempDir {
        &self.home
    }

    /// Starts the server, which purges pages at this listener of Sideman. Requests wait until it accepts them.
    pub(crate) fn serve(&mut self, purged: SocketAddr) {
        let log = File::create(self.home.join("server.log")).unwrap();
        let mut command = python(&self.environment, self.home.path());
        command
            .args(["-m", "gunicorn", "--no-control-socket", "--bind", "fd://0"])
            .args(["--worker-class", "gthread", "--workers", "1", "--threads", "4", "project.wsgi"])
            .env("SITE_CACHE", format!("http://{purged}"))
            .stdin(Stdio::from(OwnedFd::from(self.reserved.listen())))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
    }
}

impl Drop for Wagtail {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
            let skip = log.lines().count().saturating_sub(20);
            eprintln!("--- last lines of the server's log");
            log.lines().skip(skip).for_each(|line| eprintln!("{line}"));
        }
    }
}

// === impl Prepared ===

impl Prepared {
    fn prepare() -> Result<Self, String> {
        let describe =
            |error: std::io::Error| format!("the Wagtail site cannot be set up: {error}");
        let environment = environment("wagtail", &project().join("requirements.txt"))?;
        let _lock = lock("wagtail").map_err(describe)?;
        let mut content = environment.as_os_str().as_encoded_bytes().to_vec();
        read_all(&project(), &mut content).map_err(describe)?;
        let site = target().join(format!("wagtail-site-{:016x}", xxh3_64(&content)));
        once(&site, |home| {
            for arguments in [&["migrate", "--no-input"][..], &["build_site"]] {
                let mut command = python(&environment, home);
                command.arg("manage.py").args(arguments);
                output(&mut command)
                    .map_err(|error| format!("manage.py {arguments:?}: {error}"))?;
            }
            Ok(())
        })?;
        Ok(Self { database: site.join("db.sqlite3"), environment })
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wagtail")
}

/// Python of the environment, with the variables that the site reads.
fn python(environment: &Path, home: &Path) -> Command {
    let mut command = Command::new(environment.join("bin/python"));
    command
        .current_dir(project())
        .env("SITE_DATABASE", home.join("db.sqlite3"))
        .env("SITE_DATA", home)
        .env("SITE_USER", USER)
        .env("SITE_PASSWORD", PASSWORD)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        // A purge never goes through a proxy of this machine.
        .env("no_proxy", "*")
        .env_remove("DJANGO_SETTINGS_MODULE")
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH");
    command
}
