//! callgrind around a server: the command that launches it, and the counter, which is read
//! through valgrind's `vgdb`.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Beginning of the names of callgrind's files, in the server's directory.
const COUNTS: &str = "callgrind.out";
/// Beginning of the names of the pipes between `vgdb` and the server, in the same directory.
const PIPES: &str = "vgdb-pipe";

/// The installed valgrind.
#[derive(Debug)]
pub(crate) struct Valgrind {
    pub(crate) version: String,
    program: PathBuf,
    vgdb: PathBuf,
}

/// The instructions of one running server.
#[derive(Debug)]
pub(crate) struct Counter<'a> {
    valgrind: &'a Valgrind,
    directory: &'a Path,
    process: u32,
    /// How many files of counts were written.
    dumps: u32,
}

// === impl Valgrind ===

impl Valgrind {
    /// Finds valgrind on PATH.
    pub(crate) fn find() -> io::Result<Self> {
        let missing = || {
            let what = "valgrind is not installed: there is none on PATH; install it (on Debian the \
                        package valgrind)";
            io::Error::new(io::ErrorKind::NotFound, what)
        };
        // Servers start with an empty environment, without PATH: the names are resolved here.
        let program = on_path("valgrind").ok_or_else(missing)?;
        let vgdb = on_path("vgdb").ok_or_else(missing)?;
        let output = Command::new(&program).arg("--version").stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(format!("valgrind does not run{}", said(&output))));
        }
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Self { version, program, vgdb })
    }

    /// The command prefix of a server: nothing is counted until `Counter::start`.
    pub(crate) fn launcher(&self, directory: &Path) -> Vec<OsString> {
        vec![
            self.program.clone().into(),
            "--tool=callgrind".into(),
            "--instr-atstart=no".into(),
            option("--callgrind-out-file=", &directory.join(COUNTS)),
            option("--vgdb-prefix=", &directory.join(PIPES)),
        ]
    }
}

// === impl Counter ===

impl<'a> Counter<'a> {
    /// The counter of the server with this process id, whose launcher was given `directory`.
    pub(crate) fn new(valgrind: &'a Valgrind, directory: &'a Path, process: u32) -> Self {
        Self { valgrind, directory, process, dumps: 0 }
    }

    /// Starts counting.
    pub(crate) fn start(&self) -> io::Result<()> {
        self.command(&["instrumentation", "on"])
    }

    /// The mark before a window.
    pub(crate) fn zero(&self) -> io::Result<()> {
        self.command(&["zero"])
    }

    /// The mark after a window: the instructions of all threads since the mark before.
    pub(crate) fn read(&mut self) -> io::Result<u64> {
        self.command(&["dump"])?;
        self.dumps += 1;
        let file = self.directory.join(format!("{COUNTS}.{}", self.dumps));
        let text = fs::read_to_string(&file).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read {}: {error}", file.display()))
        })?;
        fs::remove_file(&file)?;
        total(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "callgrind's output has no line `totals:` with one number for `events: Ir`",
            )
        })
    }

    /// Returns when callgrind has completed the command.
    fn command(&self, words: &[&str]) -> io::Result<()> {
        let output = Command::new(&self.valgrind.vgdb)
            .arg(option("--vgdb-prefix=", &self.directory.join(PIPES)))
            .arg(format!("--pid={}", self.process))
            .args(["--wait=10", "--cmd-time-out=60"])
            .args(words)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let words = words.join(" ");
        Err(io::Error::other(format!(
            "`vgdb {words}` ended with {}; it needs the right to trace other processes{}",
            output.status,
            said(&output)
        )))
    }
}

/// Proves that totals are read from callgrind's format, and from nothing else.
pub(crate) fn self_check() -> io::Result<()> {
    let head = "# callgrind format\nversion: 1\npid: 7\npart: 2\ndesc: Trigger: Client Request\n\
                positions: line\nevents: Ir\nsummary: 41\n\nfn=(1) totals: 9\n3 41\n\n";
    let cases = [
        (format!("{head}totals: 28619500\n"), Some(28_619_500)),
        // Without a request, or from a truncated file.
        (format!("{head}totals: 0\n"), Some(0)),
        (head.to_owned(), None),
        (format!("{head}totals: \n"), None),
        (format!("{head}totals: many\n"), None),
        // More than one event: the first need not be instructions.
        (format!("{head}totals: 5 6\n"), None),
        ("events: Dr\ntotals: 5\n".to_owned(), None),
        (String::new(), None),
    ];
    for (text, expected) in cases {
        let read = total(&text);
        if read != expected {
            let what = format!("callgrind's output is read as {read:?}, not {expected:?}: {text}");
            return Err(io::Error::other(what));
        }
    }
    Ok(())
}

/// The sum over all functions and threads, from a file in callgrind's format.
fn total(text: &str) -> Option<u64> {
    text.lines().find(|line| *line == "events: Ir")?;
    text.lines().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

fn option(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(name);
    word.push(path);
    word
}

/// The program with this name in one of PATH's directories.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// What a program wrote to stderr, for an error message.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().fold(String::new(), |all, line| all + "\n  | " + line)
}
