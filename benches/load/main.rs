//! The load test: Sideman, alone or in turn with another server, under keep-alive load on loopback.
//!
//! `cargo bench --bench load` measures; `cargo test --benches` sends checked requests for each row,
//! so that rows and configurations never rot. README.md has the method and the rules.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench talks to a person and may stop"
)]

mod client;
mod content;
mod generator;
mod measure;
mod nginx;
mod options;
mod origin;
mod probe;
mod proc;
mod reading;
mod report;
mod rows;
mod server;
mod sideman;
mod site;
mod sweep;
mod wire;

use std::{io, process::ExitCode};

use clap::Parser;

use self::{
    measure::{Bench, Run},
    options::Options,
    origin::Origin,
    report::{Contender, Report},
    rows::ROWS,
    server::Kind,
    site::{Scale, Site},
};

fn main() -> ExitCode {
    // Only `cargo bench` passes `--bench`; `cargo test --benches` passes what other tests are given.
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let outcome =
        if has("--bench") && !has("--test") { compare(&Options::parse()) } else { smoke() };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures every chosen row, each server in turn within a round, and prints as rows complete.
fn compare(options: &Options) -> io::Result<()> {
    let rows = rows::select(&options.rows).map_err(io::Error::other)?;
    let contenders = Contender::list(options.server, options.versus)?;
    let bench = Bench { site: Site::make(&rows, Scale::Full)?, origin: Origin::start()? };
    let load = options.load();
    let report = Report::new(&contenders, &load)?;
    println!("{}", report.heading());

    let mut runs = Vec::new();
    for row in rows {
        let first = runs.len();
        for round in 1..=load.rounds {
            for (contender, Contender { kind, label, .. }) in contenders.iter().enumerate() {
                let reading = bench.measure(*kind, row, &load).map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("{label}, row {}, round {round}: {error}", row.name),
                    )
                })?;
                runs.push(Run { row: row.name, contender, round, reading });
            }
        }
        println!("{}", report.row(row, runs.get(first..).unwrap_or_default()));
    }
    if let Some(path) = &options.json {
        std::fs::write(path, report.json(&runs)).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
        })?;
    }
    Ok(())
}

/// Checked requests for each row, with fewer and smaller files, to every server this machine has.
fn smoke() -> io::Result<()> {
    proc::self_check()?;
    let rows: Vec<_> = ROWS.iter().collect();
    let bench = Bench { site: Site::make(&rows, Scale::Smoke)?, origin: Origin::start()? };
    let mut kinds = vec![Kind::Sideman];
    match nginx::find() {
        Ok(_) => kinds.extend([Kind::Nginx, Kind::NginxCopy, Kind::NginxThreads]),
        Err(error) => println!("nginx is skipped: {error}"),
    }
    let mut failed = String::new();
    for kind in kinds {
        match bench.smoke(kind, &rows) {
            Ok(()) => println!("{kind}: {} rows answered", rows.len()),
            Err(error) => failed = format!("{failed}\n{kind}: {error}"),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed)) }
}
