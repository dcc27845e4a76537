//! The file of `--save`: every run with date, machine and versions, one run a line, and a plot beside it.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use serde_json::{Value, json};

/// The maximum number of files of one kind and day.
const MAX_OF_A_DAY: u32 = 99;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The kind of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RunKind {
    Rows,
    Scenarios,
    Target,
}

/// The content of the file.
#[derive(Debug)]
pub(crate) struct SavedRun {
    pub(crate) kind: RunKind,
    pub(crate) machine: Value,
    /// Names and versions.
    pub(crate) servers: Value,
    pub(crate) load: Value,
    /// The names of the items of a run, if a run is a list.
    pub(crate) columns: &'static [&'static str],
    pub(crate) runs: Vec<Value>,
    /// The text of the SVG file.
    pub(crate) plot: Option<String>,
}

// === impl RunKind ===

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "rows",
            Self::Scenarios => "scenarios",
            Self::Target => "target",
        })
    }
}

// === impl SavedRun ===

impl SavedRun {
    /// Writes `DATE-KIND.json` into the directory, with a number if there is one of that name, and `DATE-KIND.svg`;
    /// returns the path of the first.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let wrong = |error: io::Error| {
            let directory = directory.display();
            io::Error::new(error.kind(), format!("--save {directory}: {error}"))
        };
        fs::create_dir_all(directory).map_err(wrong)?;
        let date = today();
        for number in 1..=MAX_OF_A_DAY {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let path = directory.join(format!("{date}-{}{suffix}.json", self.kind));
            let mut file = match File::create_new(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(wrong(error)),
            };
            file.write_all(self.text(&date).as_bytes()).map_err(wrong)?;
            if let Some(plot) = &self.plot {
                fs::write(path.with_extension("svg"), plot).map_err(wrong)?;
            }
            return Ok(path);
        }
        Err(io::Error::other(format!(
            "--save {}: there are {MAX_OF_A_DAY} files of today; name another directory",
            directory.display()
        )))
    }

    /// One property a line, and one run a line.
    fn text(&self, date: &str) -> String {
        let runs: Vec<_> = self.runs.iter().map(Value::to_string).collect();
        let properties = [
            ("kind", json!(self.kind.to_string())),
            ("date", json!(date)),
            ("revision", json!(revision())),
            ("machine", self.machine.clone()),
            ("servers", self.servers.clone()),
            ("load", self.load.clone()),
            ("columns", json!(self.columns)),
        ];
        let properties = properties.iter().map(|(name, value)| format!("\"{name}\": {value},\n"));
        let properties: String = properties.collect();
        format!("{{\n{properties}\"runs\": [\n{}\n]\n}}\n", runs.join(",\n"))
    }
}

/// The commit of the sources, with `-dirty` if they were changed since.
fn revision() -> String {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"])
        .stdin(Stdio::null())
        .output();
    let text = output.ok().filter(|output| output.status.success());
    let text = text.and_then(|output| String::from_utf8(output.stdout).ok());
    text.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The date in UTC, as `2026-11-29`.
fn today() -> String {
    // RFC 9110, section 5.6.7: `Sun, 29 Nov 2026 11:25:14 GMT`.
    let date = httpdate::fmt_http_date(SystemTime::now());
    let mut words = date.split(' ').skip(1);
    let [day, month, year] = [0; 3].map(|_| words.next().unwrap_or_default());
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |index| index + 1);
    format!("{year}-{month:02}-{day}")
}
