//! A load on a server in front of an application server, while the limit in force is read and something may happen to
//! the application.

use std::{
    io,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::task::LocalSet;

use super::{
    app_process::{Address, AppProcess},
    app_server::AppServer,
    limit_log::LimitLog,
    pace::{self, Done},
    plan::Scenario,
};
use crate::{
    generator,
    server::{self, Kind, Server},
    setup::Setup,
    site::Site,
};

/// No limit: more than the clients at any time.
const CONNECTIONS: u32 = 4_000;

/// What all runs have in common.
#[derive(Debug)]
pub(super) struct Overload<'a> {
    pub(super) python: &'a Path,
    pub(super) site: &'a Site,
    pub(super) length: Duration,
    pub(super) workers: u32,
}

/// One server in front of one application server.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) server: &'a AppServer,
    pub(super) address: Address,
    pub(super) kind: Kind,
    /// Whether Sideman finds the limit.
    pub(super) is_auto: bool,
}

// === impl Overload ===

impl Overload<'_> {
    /// Runs the load. `meanwhile` runs beside it, from its beginning on.
    pub(super) fn run(
        &self,
        pair: &Pair<'_>,
        scenario: &Scenario,
        meanwhile: impl FnOnce(&AppProcess, Instant) + Send,
    ) -> io::Result<(Vec<Done>, LimitLog)> {
        let process =
            AppProcess::start(pair.server, pair.address, self.python, self.site.directory())?;
        let number = if pair.is_auto { "auto".to_owned() } else { pair.server.workers.to_string() };
        let settings = [format!("UPSTREAM__MAX_IN_FLIGHT={number}")];
        let (directory, root) = (self.site.server_directory()?, self.site.root());
        let server = Server::start(
            pair.kind,
            &Setup {
                listen: server::anywhere(),
                tls: None,
                admin: server::anywhere(),
                application: &process.application,
                root: &root,
                directory: &directory,
                workers: self.workers,
                connections: CONNECTIONS,
                is_cached: false,
                in_flight: pair.server.workers,
                settings: &settings,
                launcher: &[],
            },
        )?;
        let runtime = generator::runtime()?;
        let tasks = LocalSet::new();
        let (done, log) = thread::scope(|scope| {
            let (stop, stopped) = mpsc::channel::<()>();
            let began = Instant::now();
            let admin = server.admin;
            let reader = (pair.kind == Kind::Sideman)
                .then(|| scope.spawn(move || LimitLog::read(admin, began, &stopped)));
            let process = &process;
            scope.spawn(move || meanwhile(process, began));
            let load = pace::run(server.address, scenario, began);
            let done = runtime.block_on(tasks.run_until(load));
            drop(stop);
            let log = reader.map(|reader| reader.join().unwrap_or_default());
            (done, log.unwrap_or_default())
        });
        drop((tasks, runtime));
        drop(process);
        server.end()?;
        Ok((done, log))
    }
}
