//! A virtual environment with the pinned Django, gunicorn and uWSGI, and the project of
//! tests/django migrated and collected: made once under target/, by the first test that needs it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{TempDir, skip::skip};

/// The project, ready to be served.
#[derive(Debug)]
pub(crate) struct Django {
    /// The environment's directory.
    pub(crate) environment: PathBuf,
    /// STATIC_ROOT after collectstatic.
    pub(crate) static_root: PathBuf,
    /// Migrated, with one user; every test uses a copy.
    database: PathBuf,
}

/// The superuser in the database.
pub(crate) const USER: &str = "ada";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

const MARK: &str = ".complete";

/// uWSGI is compiled.
pub(crate) const REMEDY: &str =
    "install the packages python3, python3-venv, python3-dev and gcc, and let pip reach an index";

// === impl Django ===

impl Django {
    /// The project. Skips the test if it cannot be set up on this machine.
    #[track_caller]
    pub(crate) fn prepared() -> Option<&'static Self> {
        static DJANGO: OnceLock<Result<Django, String>> = OnceLock::new();
        let prepared = DJANGO.get_or_init(Self::prepare);
        if let Err(missing) = prepared {
            skip(missing, REMEDY);
        }
        prepared.as_ref().ok()
    }

    /// A program of the environment, with the variables that the project reads; its database and
    /// data are in `home`.
    pub(crate) fn command(&self, program: &str, home: &Path) -> Command {
        let mut command = Command::new(self.environment.join("bin").join(program));
        command
            .current_dir(project())
            .env("SITE_DATABASE", home.join("db.sqlite3"))
            .env("SITE_STATIC_ROOT", &self.static_root)
            .env("SITE_DATA", home)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .env_remove("ALLOWED_HOSTS")
            .env_remove("DATABASE_URL")
            .env_remove("SECRET_KEY")
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
            .stdin(Stdio::null());
        command
    }

    /// A directory with a fresh copy of the database.
    pub(crate) fn home(&self) -> TempDir {
        let home = TempDir::new();
        fs::copy(&self.database, home.join("db.sqlite3")).unwrap();
        home
    }

    /// The URL path of a static file under its hashed name.
    #[track_caller]
    pub(crate) fn hashed(&self, name: &str) -> String {
        let manifest = fs::read(self.static_root.join("staticfiles.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        match manifest["paths"][name].as_str() {
            Some(hashed) => format!("/static/{hashed}"),
            None => panic!("{name} is not in staticfiles.json"),
        }
    }

    fn prepare() -> Result<Self, String> {
        let describe = |error: io::Error| format!("the Django project cannot be set up: {error}");
        let environment = environment("django", &project().join("requirements.txt"))?;
        let _lock = lock("django").map_err(describe)?;
        let mut content = environment.as_os_str().as_encoded_bytes().to_vec();
        read_all(&project(), &mut content).map_err(describe)?;
        let site = target().join(format!("django-site-{:016x}", xxh3_64(&content)));
        let django = Self {
            environment,
            static_root: site.join("static"),
            database: site.join("db.sqlite3"),
        };
        once(&site, |directory| django.collect(directory))?;
        Ok(django)
    }

    fn collect(&self, home: &Path) -> Result<(), String> {
        for arguments in [
            &["migrate", "--no-input"][..],
            &["createsuperuser", "--no-input", "--username", USER, "--email", "ada@example.test"],
            &["collectstatic", "--no-input"],
        ] {
            let mut command = self.command("python", home);
            command.arg("manage.py").args(arguments).env("DJANGO_SUPERUSER_PASSWORD", PASSWORD);
            output(&mut command).map_err(|error| format!("manage.py {arguments:?}: {error}"))?;
        }
        Ok(())
    }
}

/// The sources of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django")
}

/// A virtual environment with a file of pinned requirements: made once, under target/.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let describe = |error: io::Error| format!("the environment {name} cannot be set up: {error}");
    let _lock = lock(name).map_err(describe)?;
    let python = output(Command::new("python3").arg("--version"))
        .map_err(|error| format!("there is no python3 ({error})"))?;
    let mut pins = fs::read(requirements).map_err(describe)?;
    pins.extend_from_slice(python.as_bytes());
    let environment = target().join(format!("{name}-venv-{:016x}", xxh3_64(&pins)));
    once(&environment, |directory| install(directory, requirements))?;
    Ok(environment)
}

pub(super) fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Test processes run concurrently: one sets up, the others wait here. The lock ends with the file,
/// or with the process.
pub(super) fn lock(name: &str) -> io::Result<File> {
    let lock = File::create(target().join(format!("{name}.lock")))?;
    lock.lock()?;
    Ok(lock)
}

/// Makes a directory unless it is there and complete.
pub(super) fn once(
    directory: &Path,
    make: impl Fn(&Path) -> Result<(), String>,
) -> Result<(), String> {
    let describe = |error: io::Error| format!("{}: {error}", directory.display());
    let mark = directory.join(MARK);
    if mark.is_file() {
        return Ok(());
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(describe(error)),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir(directory).map_err(describe)?;
    make(directory)?;
    File::create(mark).map_err(describe)?;
    Ok(())
}

fn install(environment: &Path, requirements: &Path) -> Result<(), String> {
    output(Command::new("python3").args(["-m", "venv"]).arg(environment))
        .map_err(|error| format!("python3 -m venv fails ({error})"))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-input", "--requirement"])
        .arg(requirements);
    output(&mut pip)
        .map_err(|error| format!("pip cannot install {} ({error})", requirements.display()))?;
    Ok(())
}

/// The output of a program; if it fails, the line with the reason.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    // Hints may follow the error.
    let error = lines().find(|line| line.to_lowercase().starts_with("error"));
    Err(format!("{}: {}", output.status, error.or(lines().next()).unwrap_or("no message")))
}

/// Appends every file below a directory, in a fixed order.
pub(super) fn read_all(directory: &Path, content: &mut Vec<u8>) -> io::Result<()> {
    let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| !path.ends_with("__pycache__")) {
        content.extend_from_slice(path.as_os_str().as_encoded_bytes());
        if path.is_dir() {
            read_all(path, content)?;
        } else {
            content.extend(fs::read(path)?);
        }
    }
    Ok(())
}
