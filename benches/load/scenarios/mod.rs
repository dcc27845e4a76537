//! The scenarios: a server in front of real gunicorn during a disturbance, and its effect on
//! requests. Rows measure cost, scenarios protection.
//!
//! `mixed`, `slowloris`, `auto` and `limit_over_time` have applications and tables of their own. For all others
//! `plan` is the table, `pace` and `crawl` are the clients, `disturb` disturbs
//! `gunicorn`, `figures` is the result.

mod app_process;
mod app_server;
mod application;
mod auto;
mod crawl;
mod disturb;
mod figures;
mod gunicorn;
mod limit_log;
mod limit_over_time;
mod mixed;
mod overload;
mod pace;
pub(crate) mod plan;
mod python;
mod slowloris;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::LocalSet;

pub(crate) use self::limit_over_time::plot as limit_plot;
use self::{
    crawl::Crowd, disturb::disturb, figures::Figures, gunicorn::Gunicorn, overload::Overload,
    plan::Scenario,
};
use crate::{
    generator, haproxy,
    machine::Machine,
    nginx,
    options::Options,
    report::Contender,
    rows,
    saved_run::{RunKind, SavedRun},
    server::{self, Kind, Server},
    setup::{Application, IN_FLIGHT, Setup},
    site::{Scale, Site},
    skips::Skips,
};

/// No limit in a scenario: more than the clients at any time.
const CONNECTIONS: u32 = 1_000;

/// One server in front of one gunicorn.
struct Stage<'a> {
    python: PathBuf,
    site: Site,
    workers: u32,
    settings: &'a [String],
}

/// The scenarios without gunicorn, with descriptions.
pub(crate) const OTHERS: &[(&str, &str)] = {
    let [mixed_views, slow_phase, one_worker] = limit_over_time::SCENARIOS;
    &[
        (mixed::NAME, mixed::WHAT),
        (slowloris::NAME, slowloris::WHAT),
        (auto::NAME, auto::WHAT),
        mixed_views,
        slow_phase,
        one_worker,
    ]
};
/// The files that their clients request.
const FILES: &[&str] = &["files_1k_keepalive", "files_100k_keepalive", "files_1m_keepalive"];

/// Runs the chosen scenarios, each server in turn within a round, and prints as they complete.
pub(crate) fn compare(options: &Options) -> io::Result<()> {
    let scenarios = plan::select(&options.scenario, OTHERS).map_err(io::Error::other)?;
    let contenders = contenders(options)?;
    let settings = options.settings();
    let machine = Machine::look()?;
    let versions: Vec<_> = contenders.iter().map(|one| one.version.as_str()).collect();
    println!("{}", versions.join(" in turn with "));
    println!("rounds: {}; {}", options.rounds(), machine.line());

    let mut all = Vec::new();
    if !scenarios.is_empty() {
        let stage = Stage {
            python: python::with_gunicorn()?,
            site: Site::make(&[], Scale::Full)?,
            workers: options.workers(),
            settings: &settings,
        };
        println!("sideman's settings: {}\n\n{}", settings.join(", "), figures::HEADING);
        for scenario in &scenarios {
            stage.compare(scenario, &contenders, options.rounds(), &mut all)?;
        }
    }
    others(options, &contenders, &mut all)?;
    let servers: Vec<_> =
        contenders.iter().map(|one| json!({"name": one.label, "version": one.version})).collect();
    options.save(&SavedRun {
        kind: RunKind::Scenarios,
        machine: machine.json(),
        servers: json!(servers),
        load: json!({
            "rounds": options.rounds(),
            "settings": settings,
            "workers": options.workers(),
        }),
        columns: &[],
        plot: limit_plot(&all).map(|plot| plot.svg()),
        runs: all,
    })
}

/// A second of SIGHUP under load for every installed server: a successful response must arrive; and a
/// second of the scenarios without gunicorn.
pub(crate) fn smoke(skips: &mut Skips) -> io::Result<()> {
    let site = site(Scale::Smoke)?;
    let application = application::start()?;
    let length = Duration::from_secs(1);
    let extent = mixed::Extent { length, reloads: 2, workers: 1 };
    mixed::run(&site, application, extent)?.check()?;
    println!("sideman: scenario {} ran", mixed::NAME);
    let kinds = installed(skips);
    for kind in kinds.iter().copied().filter(|kind| !kind.for_scenarios()) {
        let extent = slowloris::Extent { slow: 30, length, arrival: length / 2, workers: 1 };
        slowloris::run(kind, &site, application, extent)?.check()?;
        println!("{kind}: scenario {} ran", slowloris::NAME);
    }

    let python = match python::with_gunicorn() {
        Ok(python) => python,
        Err(error) => {
            skips.add("the scenarios before gunicorn", error);
            return Ok(());
        }
    };
    let overload = Overload { python: &python, site: &site, length: length * 2, workers: 1 };
    auto::Runs { overload }.smoke()?;
    println!("sideman: scenario {} ran", auto::NAME);
    limit_over_time::smoke(&python, &site)?;
    println!(
        "sideman: scenarios {} ran",
        limit_over_time::SCENARIOS.map(|(name, _)| name).join(", ")
    );
    let stage = Stage { python, site, workers: 1, settings: &[] };
    let names = ["hup".to_owned()];
    for scenario in plan::select(&names, OTHERS).map_err(io::Error::other)? {
        for &kind in &kinds {
            let figures = stage.run(kind, &scenario.smoke())?;
            if !figures.any_good() {
                let what = format!("{kind}, scenario {}: {}", scenario.name, figures.reasons());
                return Err(io::Error::other(what));
            }
            println!("{kind}: scenario {} ran", scenario.name);
        }
    }
    Ok(())
}

/// Runs the chosen scenarios without gunicorn.
fn others(options: &Options, contenders: &[Contender], all: &mut Vec<Value>) -> io::Result<()> {
    let chosen = |name| options.scenario.iter().any(|one| one == "all" || one == name);
    about_limits(options, contenders, all)?;
    if !chosen(mixed::NAME) && !chosen(slowloris::NAME) {
        return Ok(());
    }
    let site = site(Scale::Full)?;
    let application = application::start()?;
    let workers = options.workers();
    let rounds = 1..=options.rounds();
    if chosen(mixed::NAME) {
        for Contender { label, kind, .. } in contenders {
            if *kind != Kind::Sideman {
                println!("\n{label} is skipped in {}: it is about Sideman's reloads", mixed::NAME);
                continue;
            }
            let length = options.length(mixed::LENGTH);
            let extent = mixed::Extent { length, reloads: mixed::RELOADS, workers };
            for round in rounds.clone() {
                let outcome = mixed::run(&site, application, extent)?;
                println!("\n{}, {label}, {length:?}:\n\n{}", mixed::NAME, outcome.said());
                all.push(run(mixed::NAME, label, round, &outcome.json()));
            }
        }
    }
    if chosen(slowloris::NAME) {
        println!("\n{}:\n\n{}", slowloris::NAME, slowloris::HEADING);
        let length = options.length(slowloris::LENGTH);
        let extent = slowloris::Extent::new(options.slow, length, workers);
        for round in rounds {
            // HAProxy serves no files to slow readers.
            for Contender { label, kind, .. } in
                contenders.iter().filter(|one| !one.kind.for_scenarios())
            {
                let outcome = slowloris::run(*kind, &site, application, extent)?;
                println!("{}", outcome.said());
                all.push(run(slowloris::NAME, label, round, &outcome.json()));
            }
        }
    }
    Ok(())
}

/// Runs the chosen scenarios about the limit of requests in flight. They take long, so `all` leaves them out.
fn about_limits(
    options: &Options,
    contenders: &[Contender],
    all: &mut Vec<Value>,
) -> io::Result<()> {
    let named = |name: &str| options.scenario.iter().any(|one| one == name);
    let over_time = limit_over_time::SCENARIOS.iter().any(|(name, _)| named(name));
    if !named(auto::NAME) && !over_time {
        return Ok(());
    }
    let (python, site, workers) =
        (python::with_servers()?, Site::make(&[], Scale::Full)?, options.workers());
    let overload = |length| Overload { python: &python, site: &site, length, workers };
    if named(auto::NAME) {
        println!("\n{}:\n\n{}", auto::NAME, auto::HEADING);
        let runs = auto::Runs { overload: overload(options.length(auto::LENGTH)) };
        for round in 1..=options.rounds() {
            let of_round = runs.compare(&options.applications, contenders)?;
            all.extend(
                of_round.iter().map(|(label, result)| run(auto::NAME, label, round, result)),
            );
        }
    }
    if over_time {
        println!("\n{}", limit_over_time::HEADING);
        let overload = overload(options.length(limit_over_time::LENGTH));
        for round in 1..=options.rounds() {
            let of_round =
                limit_over_time::compare(&overload, &options.scenario, &options.applications)?;
            all.extend(
                of_round
                    .iter()
                    .map(|(scenario, limit, result)| run(scenario, limit, round, result)),
            );
        }
    }
    Ok(())
}

/// The result of one run, for programs.
fn run(scenario: &str, server: &str, round: u32, figures: &Value) -> Value {
    json!({ "scenario": scenario, "server": server, "round": round, "figures": figures })
}

fn site(scale: Scale) -> io::Result<Site> {
    let names: Vec<_> = FILES.iter().map(|&name| name.to_owned()).collect();
    Site::make(&rows::select(&names).map_err(io::Error::other)?, scale)
}

/// The server under test, and the one for comparison: all installed ones if none is named.
fn contenders(options: &Options) -> io::Result<Vec<Contender>> {
    if options.versus.is_some() {
        return Contender::list(options.server, options.versus);
    }
    let mut skips = Skips::default();
    let others = installed(&mut skips).into_iter().filter(|kind| *kind != options.server);
    let contenders = std::iter::once(options.server).chain(others).map(Contender::new).collect();
    skips.finish()?;
    contenders
}

fn installed(skips: &mut Skips) -> Vec<Kind> {
    let mut kinds = vec![Kind::Sideman];
    match nginx::find() {
        Ok(_) => kinds.push(Kind::Nginx),
        Err(error) => skips.add("nginx", error),
    }
    match haproxy::find() {
        Ok(_) => kinds.push(Kind::Haproxy),
        Err(error) => skips.add("HAProxy", error),
    }
    kinds
}

// === impl Stage ===

impl Stage<'_> {
    /// Runs one scenario and prints its lines.
    fn compare(
        &self,
        scenario: &Scenario,
        contenders: &[Contender],
        rounds: u32,
        all: &mut Vec<Value>,
    ) -> io::Result<()> {
        let mut runs = Vec::new();
        for round in 1..=rounds {
            for Contender { kind, label, .. } in contenders {
                let figures = self.run(*kind, scenario).map_err(|error| {
                    let name = scenario.name;
                    io::Error::new(error.kind(), format!("{label}, scenario {name}: {error}"))
                })?;
                all.push(run(scenario.name, label, round, &figures.json()));
                runs.push((label, figures));
            }
        }
        for Contender { label, .. } in contenders {
            let runs: Vec<_> =
                runs.iter().filter(|(of, _)| *of == label).map(|(_, figures)| figures).collect();
            let together = Figures::together(&runs);
            println!("{}", together.line(scenario, label));
            if !together.reasons().is_empty() {
                eprintln!("  {label}, failed: {}", together.reasons());
            }
        }
        Ok(())
    }

    fn run(&self, kind: Kind, scenario: &Scenario) -> io::Result<Figures> {
        let (directory, root) = (self.site.server_directory()?, self.site.root());
        let mut gunicorn = Gunicorn::start(&self.python, scenario.workers, self.site.directory())?;
        let server =
            self.server(kind, gunicorn.address, (&directory, &root), scenario.is_cached)?;

        let runtime = generator::runtime()?;
        let tasks = LocalSet::new();
        let done = thread::scope(|scope| {
            let (stop, stopped) = mpsc::channel();
            let load = async {
                let busy = scenario.length + scenario.patience + Crowd::SETTLING;
                let crowd = Crowd::arrive(server.address, scenario.slow, busy).await;
                let began = Instant::now();
                let disturbed = scenario.fault.map(|fault| {
                    let times = (began, scenario.length);
                    let gunicorn = &mut gunicorn;
                    scope.spawn(move || disturb(gunicorn, fault, times, &stopped))
                });
                let done = pace::run(server.address, scenario, began).await;
                drop(stop);
                (done, disturbed, crowd.said())
            };
            let (done, disturbed, crowd) = runtime.block_on(tasks.run_until(load));
            if let Some(crowd) = crowd {
                eprintln!("  {kind}: {crowd}");
            }
            match disturbed.map(thread::ScopedJoinHandle::join) {
                Some(Ok(ended)) => ended.map(|()| done),
                Some(Err(_)) => Err(io::Error::other("the thread that disturbs gunicorn panicked")),
                None => Ok(done),
            }
        })?;
        // The remaining clients end now, and then gunicorn, so that the server can end.
        drop((tasks, runtime));
        drop(gunicorn);
        server.end()?;
        Ok(Figures::of(scenario, &done))
    }

    fn server(
        &self,
        kind: Kind,
        gunicorn: SocketAddr,
        (directory, root): (&Path, &Path),
        is_cached: bool,
    ) -> io::Result<Server> {
        let application = Application::Http(gunicorn);
        let setup = Setup {
            listen: server::anywhere(),
            tls: None,
            admin: server::anywhere(),
            application: &application,
            root,
            directory,
            workers: self.workers,
            connections: CONNECTIONS,
            is_cached,
            in_flight: IN_FLIGHT,
            settings: self.settings,
            launcher: &[],
        };
        Server::start(kind, &setup)
    }
}
