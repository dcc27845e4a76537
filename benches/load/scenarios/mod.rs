//! The scenarios: a server before real gunicorn while something goes wrong, and what requests
//! notice of it. Rows measure cost, scenarios protection.
//!
//! `plan` says what happens, `pace` and `crawl` are the clients, `disturb` what is done to
//! `gunicorn`, `figures` the result.

mod crawl;
mod disturb;
mod figures;
mod gunicorn;
mod pace;
mod plan;
mod python;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Instant,
};

use serde_json::json;
use tokio::task::LocalSet;

use self::{crawl::Crowd, disturb::disturb, figures::Figures, gunicorn::Gunicorn, plan::Scenario};
use crate::{
    generator, haproxy,
    machine::Machine,
    nginx,
    options::Options,
    report::Contender,
    server::{Application, Kind, Server, Setup},
    site::{Scale, Site},
};

/// Bounds nothing in a scenario: more than the clients at any time.
const CONNECTIONS: u32 = 1_000;

/// One server before one gunicorn.
struct Stage<'a> {
    python: PathBuf,
    site: Site,
    workers: u32,
    settings: &'a [String],
}

/// Runs the chosen scenarios, each server in turn within a round, and prints as they complete.
pub(crate) fn compare(options: &Options) -> io::Result<()> {
    let scenarios = plan::select(&options.scenario).map_err(io::Error::other)?;
    let contenders = contenders(options)?;
    let settings = options.settings();
    let stage = Stage {
        python: python::with_gunicorn()?,
        site: Site::make(&[], Scale::Full)?,
        workers: options.workers(),
        settings: &settings,
    };
    let machine = Machine::look()?;
    let versions: Vec<_> = contenders.iter().map(|one| one.version.as_str()).collect();
    println!("{}", versions.join(" in turn with "));
    println!("sideman's settings: {}", settings.join(", "));
    println!("rounds: {}; {}\n\n{}", options.rounds(), machine.line(), figures::HEADING);

    let mut all = Vec::new();
    for scenario in &scenarios {
        let mut runs = Vec::new();
        for round in 1..=options.rounds() {
            for contender in &contenders {
                let figures = stage.run(contender.kind, scenario).map_err(|error| {
                    let (server, name) = (&contender.label, scenario.name);
                    io::Error::new(error.kind(), format!("{server}, scenario {name}: {error}"))
                })?;
                all.push(json!({
                    "scenario": scenario.name,
                    "server": contender.label,
                    "round": round,
                    "figures": figures.json(),
                }));
                runs.push((&contender.label, figures));
            }
        }
        for Contender { label, .. } in &contenders {
            let runs: Vec<_> =
                runs.iter().filter(|(of, _)| *of == label).map(|(_, figures)| figures).collect();
            let together = Figures::together(&runs);
            println!("{}", together.line(scenario, label));
            if !together.reasons().is_empty() {
                eprintln!("  {label}, failed: {}", together.reasons());
            }
        }
    }
    let servers: Vec<_> =
        contenders.iter().map(|one| json!({"name": one.label, "version": one.version})).collect();
    options.write_json(&json!({
        "machine": machine.json(),
        "servers": servers,
        "settings": settings,
        "workers": stage.workers,
        "runs": all,
    }))
}

/// A second of SIGHUP under load for every server that is installed: a good answer must come.
pub(crate) fn smoke() -> io::Result<()> {
    let python = match python::with_gunicorn() {
        Ok(python) => python,
        Err(error) => {
            println!("the scenarios are skipped: {error}");
            return Ok(());
        }
    };
    let stage = Stage { python, site: Site::make(&[], Scale::Smoke)?, workers: 1, settings: &[] };
    let names = ["hup".to_owned()];
    for scenario in plan::select(&names).map_err(io::Error::other)? {
        for kind in installed() {
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

/// The server under test, and the one it is compared with: all that are installed, if none is named.
fn contenders(options: &Options) -> io::Result<Vec<Contender>> {
    if options.versus.is_some() {
        return Contender::list(options.server, options.versus);
    }
    let others = installed().into_iter().filter(|kind| *kind != options.server);
    std::iter::once(options.server).chain(others).map(Contender::new).collect()
}

fn installed() -> Vec<Kind> {
    let mut kinds = vec![Kind::Sideman];
    match nginx::find() {
        Ok(_) => kinds.push(Kind::Nginx),
        Err(error) => eprintln!("nginx is skipped: {error}"),
    }
    match haproxy::find() {
        Ok(_) => kinds.push(Kind::Haproxy),
        Err(error) => eprintln!("HAProxy is skipped: {error}"),
    }
    kinds
}

// === impl Stage ===

impl Stage<'_> {
    fn run(&self, kind: Kind, scenario: &Scenario) -> io::Result<Figures> {
        let (directory, root) = (self.site.server_directory()?, self.site.root());
        let mut gunicorn = Gunicorn::start(&self.python, scenario.workers, self.site.directory())?;
        let server = self.server(kind, gunicorn.address, &directory, &root)?;

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
        // Clients that are still there end now, and then gunicorn: nobody holds up the server.
        drop((tasks, runtime));
        drop(gunicorn);
        server.end()?;
        Ok(Figures::of(scenario, &done))
    }

    fn server(
        &self,
        kind: Kind,
        gunicorn: SocketAddr,
        directory: &Path,
        root: &Path,
    ) -> io::Result<Server> {
        let application = Application::Http(gunicorn);
        let setup = Setup {
            // Replaced by a free port.
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            application: &application,
            root,
            directory,
            workers: self.workers,
            connections: CONNECTIONS,
            settings: self.settings,
        };
        Server::start(kind, &setup)
    }
}
