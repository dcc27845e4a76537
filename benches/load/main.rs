//! The load test: Sideman, alone or in turn with another server, under keep-alive load on loopback.
//!
//! `cargo bench --bench load -- --versus nginx` measures rows: what a request costs.
//! `cargo bench --bench load -- --scenario all` runs scenarios: what requests notice when clients are
//! slow, too many come, the application goes away, or Sideman reloads.
//! `cargo bench --bench load -- --instructions` counts user-space instructions and compares them with
//! a committed baseline.
//! `cargo bench --bench load -- --target URL` loads a deployment that runs already.
//! `cargo test --benches` sends checked requests for each row and through some scenarios, so that
//! rows and configurations never rot, runs `--target` against scripted peers, and compares docs/performance.md with
//! the saved runs. README.md has the method and the rules.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench talks to a person and may stop"
)]

mod certificate;
mod chunks;
mod client;
mod content;
mod deployment;
mod endpoint;
mod generator;
mod haproxy;
mod http2;
mod instructions;
mod line_plot;
mod load_target;
mod machine;
mod measure;
mod measurement;
mod nginx;
mod options;
mod origin;
mod performance;
mod plot;
mod probe;
mod proc;
mod report;
mod rows;
mod saved_run;
mod scenarios;
mod server;
mod setup;
mod sideman;
mod site;
mod skips;
mod spread;
mod sweep;
mod uwsgi;
mod varnish;
mod wire;

use std::{io, process::ExitCode};

use clap::Parser;

use self::{
    certificate::Certificate,
    measure::{Bench, Run},
    options::{Load, Options},
    origin::Origin,
    report::{Contender, Report},
    rows::{ROWS, Row},
    server::Kind,
    site::{Scale, Site},
    skips::Skips,
};

fn main() -> ExitCode {
    // Only `cargo bench` passes `--bench`; `cargo test --benches` passes what other tests are given.
    let arguments: Vec<String> = std::env::args().collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let outcome = if has("--bench") && !has("--test") {
        measure(&Options::parse())
    } else {
        smoke(&arguments)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> io::Result<()> {
    if options.instructions {
        return instructions::compare(options);
    }
    if let Some(target) = &options.deployment.target {
        return deployment::run(options, target);
    }
    if options.scenario.is_empty() { compare(options) } else { scenarios::compare(options) }
}

/// Measures every chosen row, each server in turn within a round, and prints as rows complete.
fn compare(options: &Options) -> io::Result<()> {
    let rows = rows::select(&options.rows).map_err(io::Error::other)?;
    let contenders = Contender::list(options.server, options.versus)?;
    if contenders.iter().any(|contender| contender.kind.for_scenarios()) {
        return Err(io::Error::other("HAProxy takes part in scenarios only: add --scenario all"));
    }
    let site = Site::make(&rows, Scale::Full)?;
    let origin = Origin::start(site.directory())?;
    let certificate = Certificate::make(site.directory())?;
    let bench = Bench { site, origin, certificate };
    let load = options.load();
    let report = Report::new(&contenders, &load)?;
    println!("{}", report.heading());

    let mut runs = Vec::new();
    let mut outcome = Ok(());
    for row in rows {
        if let Some(why) = refused(&bench.origin, row, contenders.iter().map(|one| one.kind))? {
            println!("{} is skipped: {why}\n", row.name);
            continue;
        }
        match measure_row(&bench, row, &contenders, &load) {
            Ok(of_row) => {
                println!("{}", report.row(row, &of_row));
                runs.extend(of_row);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    // A run takes long: the rows before one that failed are saved too.
    options.save(&report.saved(&runs))?;
    outcome
}

/// All rounds of one row.
fn measure_row(
    bench: &Bench,
    row: &'static Row,
    contenders: &[Contender],
    load: &Load,
) -> io::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for round in 1..=load.rounds {
        for (contender, Contender { kind, label, .. }) in contenders.iter().enumerate() {
            let reading = bench.measure(*kind, row, load).map_err(|error| {
                let place = format!("{label}, row {}, round {round}", row.name);
                io::Error::new(error.kind(), format!("{place}: {error}"))
            })?;
            runs.push(Run { row: row.name, contender, round, reading });
        }
    }
    Ok(runs)
}

/// Why the row cannot be run, if one of the servers cannot speak to the application as it asks.
fn refused(
    origin: &Origin,
    row: &Row,
    kinds: impl Iterator<Item = Kind>,
) -> io::Result<Option<String>> {
    let kinds: Vec<Kind> = kinds.collect();
    if kinds.contains(&Kind::Varnish) && !row.is_cached() {
        return Ok(Some("Varnish takes part in the rows of the cache only".to_owned()));
    }
    if kinds.contains(&Kind::Sideman) {
        return sideman::refuses(&origin.application(row.via), row.is_cached());
    }
    Ok(None)
}

/// Everything that shows that this test works, in parts; `cargo test --bench load -- PART` runs one.
fn smoke(arguments: &[String]) -> io::Result<()> {
    let parts: Vec<_> =
        arguments.iter().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |part: &str| parts.is_empty() || parts.iter().any(|name| *name == part);
    let mut skips = Skips::default();
    if chosen("performance") {
        performance::check()?;
    }
    if chosen("target") {
        deployment::checks::run()?;
    }
    if chosen("rows") {
        smoke_rows(&mut skips)?;
    }
    if chosen("instructions") {
        instructions::smoke(&mut skips)?;
    }
    if chosen("scenarios") {
        scenarios::smoke(&mut skips)?;
    }
    skips.finish()
}

/// Checked requests for each row, with fewer and smaller files, to every server this machine has.
fn smoke_rows(skips: &mut Skips) -> io::Result<()> {
    proc::self_check()?;
    let rows: Vec<_> = ROWS.iter().collect();
    let site = Site::make(&rows, Scale::Smoke)?;
    let origin = Origin::start(site.directory())?;
    let certificate = Certificate::make(site.directory())?;
    let bench = Bench { site, origin, certificate };
    let mut kinds = vec![Kind::Sideman];
    match nginx::find() {
        Ok(_) => kinds.extend([Kind::Nginx, Kind::NginxCopy, Kind::NginxThreads]),
        Err(error) => skips.add("nginx", error),
    }
    match varnish::find() {
        Ok(_) => kinds.push(Kind::Varnish),
        Err(error) => skips.add("Varnish", error),
    }
    let mut failed = String::new();
    for kind in kinds {
        let mut known = Vec::new();
        for row in rows.iter().filter(|row| kind != Kind::Varnish || row.is_cached()) {
            match refused(&bench.origin, row, std::iter::once(kind))? {
                Some(why) => skips.add(&format!("{kind}, row {}", row.name), why),
                None => known.push(*row),
            }
        }
        match bench.smoke(kind, &known) {
            Ok(()) => println!("{kind}: {} rows answered", known.len()),
            Err(error) => failed = format!("{failed}\n{kind}: {error}"),
        }
    }
    if !failed.is_empty() {
        return Err(io::Error::other(failed));
    }
    Ok(())
}
