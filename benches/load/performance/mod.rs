//! docs/performance.md: its tables and plots are made of the saved runs in benches/load/runs, and compared with them.
//!
//! A table stands between `<!-- benches/load/runs/FILE.json -->` and `<!-- end -->`. After another run:
//! `UPDATE_EXPECT=1 cargo test --bench load -- performance`.

mod name;
pub(crate) mod rows;
mod scenarios;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use crate::scenarios::limit_plot;

const PAGE: &str = "docs/performance.md";
const RUNS: &str = "benches/load/runs";
const BEGIN: &str = "<!-- benches/load/runs/";
const END: &str = "<!-- end -->";

/// What `saved_run` wrote, as far as it is shown.
#[derive(Debug, Deserialize)]
struct SavedFile {
    kind: String,
    date: String,
    revision: String,
    machine: SavedMachine,
    servers: Vec<SavedServer>,
    runs: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct SavedMachine {
    processor: String,
    cores: usize,
    kernel: String,
}

#[derive(Debug, Deserialize)]
struct SavedServer {
    name: String,
    version: Option<String>,
}

/// Compares the page and the plots with the saved runs, or rewrites them.
pub(crate) fn check() -> io::Result<()> {
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let old = read(PAGE)?;
    let (mut new, mut rest, mut tables) = (String::new(), old.as_str(), 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(" -->").unwrap_or((after, ""));
        let (_, after) = after.split_once(END).ok_or_else(|| {
            io::Error::other(format!("{PAGE}: the table of {name} has no `{END}`"))
        })?;
        let made = table(name)?;
        new += &format!("{before}{BEGIN}{name} -->\n{made}{END}");
        rest = after;
        tables += 1;
    }
    new += rest;
    compare(PAGE, &old, &new, update)?;
    let plots = plots(update)?;
    println!("{PAGE}: {tables} tables and {plots} plots match the saved runs");
    Ok(())
}

/// Date, versions and machine, and the table of a saved run.
fn table(name: &str) -> io::Result<String> {
    let saved = SavedFile::read(name)?;
    let version = |one: &SavedServer| one.version.clone().unwrap_or_else(|| "unknown".into());
    let versions: Vec<_> = saved.servers.iter().map(version).collect();
    let SavedMachine { processor, cores, kernel } = &saved.machine;
    let heading = format!(
        "{}, revision {}: {} on {cores} x {processor}, Linux {kernel}.\n",
        saved.date,
        saved.revision,
        versions.join(", "),
    );
    let table = match saved.kind.as_str() {
        "rows" => rows::table(&saved.runs),
        "scenarios" => {
            let servers: Vec<_> = saved.servers.iter().map(|one| one.name.as_str()).collect();
            format!("\n{}", scenarios::table(&saved.runs, &servers))
        }
        _ => return Err(io::Error::other(format!("{RUNS}/{name} has no rows and no scenarios"))),
    };
    Ok(heading + &table)
}

/// The plots beside the saved runs of rows, and of scenarios about limits; returns how many there are.
fn plots(update: bool) -> io::Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(home().join(RUNS))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(".json") else { continue };
        let saved = SavedFile::read(name)?;
        let svg = match saved.kind.as_str() {
            "rows" => rows::plot(&saved.runs).map(|plot| plot.svg()),
            _ => limit_plot(&saved.runs).map(|plot| plot.svg()),
        };
        if let Some(svg) = svg {
            let path = format!("{RUNS}/{stem}.svg");
            compare(&path, &read(&path).unwrap_or_default(), &svg, update)?;
            count += 1;
        }
    }
    Ok(count)
}

// === impl SavedFile ===

impl SavedFile {
    /// Reads a file of `RUNS`.
    fn read(name: &str) -> io::Result<Self> {
        let text = read(&format!("{RUNS}/{name}"))?;
        serde_json::from_str(&text).map_err(|error| io::Error::other(format!("{name}: {error}")))
    }
}

fn compare(path: &str, old: &str, new: &str, update: bool) -> io::Result<()> {
    if old == new {
        return Ok(());
    }
    if update {
        return fs::write(home().join(path), new);
    }
    let differs = old.lines().zip(new.lines()).position(|(old, new)| old != new);
    Err(io::Error::other(format!(
        "{path}, line {}: differs from what the saved runs in {RUNS} make; run \
         `UPDATE_EXPECT=1 cargo test --bench load -- performance` and look at the difference",
        differs.map_or_else(|| old.lines().count(), |line| line + 1)
    )))
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(home().join(path))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {path}: {error}")))
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
