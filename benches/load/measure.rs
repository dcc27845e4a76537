//! One run: a fresh server, a probe of its response, the load, and the server's resource use meanwhile.

use std::{io, time::Duration};

use crate::{
    certificate::Certificate,
    endpoint::{Door, Protocol},
    generator::{self, Measured},
    http2,
    load_target::{Aim, Manner},
    measurement::{Reading, Sample},
    options::Load,
    origin::Origin,
    probe::{Probed, probe},
    proc::Tree,
    rows::{Cold, Get, Row, Scenario, Via},
    server::{self, Kind, Server},
    setup::{IN_FLIGHT, Setup},
    site::Site,
    sweep,
};

/// The share of the cold files' bytes that must have come from the disk.
const FROM_DISK: f64 = 0.99;

/// Worker threads of servers that are only probed.
const ONE: Load =
    Load { rounds: 1, warmup: Duration::ZERO, window: Duration::ZERO, connections: 1, workers: 1 };

/// Shared by all runs.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) site: Site,
    pub(crate) origin: Origin,
    pub(crate) certificate: Certificate,
}

/// A reading and its server.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) row: &'static str,
    /// The position in the list of servers under test.
    pub(crate) contender: usize,
    pub(crate) round: u32,
    pub(crate) reading: Reading,
}

// === impl Bench ===

impl Bench {
    /// Runs one row once against a server started for it.
    pub(crate) fn measure(&self, kind: Kind, row: &Row, load: &Load) -> io::Result<Reading> {
        let load = Load { connections: row.connections(load.connections), ..*load };
        let server = self.start(kind, row.via, (row.tls().is_some(), row.is_cached()), &load)?;
        match &row.scenario {
            Scenario::KeepAlive(get)
            | Scenario::Tls(get)
            | Scenario::Http2 { get, .. }
            | Scenario::Handshakes { get, .. } => self.whole(server, row, get, &load),
            Scenario::Large { get, .. } => self.large(server, row, get, &load),
            Scenario::Cold(cold) => self.cold(server, cold, &load),
        }
    }

    /// Probes one response for each row, and repeats the request like the load. The error
    /// names every row that failed.
    pub(crate) fn smoke(&self, kind: Kind, rows: &[&Row]) -> io::Result<()> {
        let mut failed = Vec::new();
        let vias = [(Via::Http, false), (Via::Http, true), (Via::Unix, false), (Via::Uwsgi, false)];
        for (via, is_cached) in vias {
            let rows: Vec<_> =
                rows.iter().filter(|row| (row.via, row.is_cached()) == (via, is_cached)).collect();
            if rows.is_empty() {
                continue;
            }
            let tls = rows.iter().any(|row| row.tls().is_some());
            let server = self.start(kind, via, (tls, is_cached), &ONE)?;
            let (mut requests, before) = (0, failed.len());
            for row in rows {
                match self.smoke_row(&server, row) {
                    Ok(logged) => requests += logged,
                    Err(error) => failed.push(format!("\n  {}: {error}", row.name)),
                }
            }
            if failed.len() == before {
                let writes_log = server.writes_log();
                let lines = server.stop()?;
                all_logged(lines, if writes_log { requests } else { 0 })?;
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(io::Error::other(format!("{} rows failed:{}", failed.len(), failed.concat())))
    }

    /// Returns the expected number of requests in the access log.
    fn smoke_row(&self, server: &Server, row: &Row) -> io::Result<u64> {
        let get = match &row.scenario {
            Scenario::KeepAlive(get)
            | Scenario::Tls(get)
            | Scenario::Http2 { get, .. }
            | Scenario::Handshakes { get, .. }
            | Scenario::Large { get, .. } => get,
            Scenario::Cold(cold) => return Ok(self.sweep(server, cold, 2, || Ok(()))?.1),
        };
        let (aim, _, requests) = self.aim(server, row, get)?;
        let answered = generator::runtime()?.block_on(generator::once(aim))?;
        Ok(if get.logged { requests + answered } else { 0 })
    }

    fn whole(&self, server: Server, row: &Row, get: &Get, load: &Load) -> io::Result<Reading> {
        let (measured, _) = self.press(server, row, get, load)?;
        Ok(Reading::new(&measured, measured.requests as f64, load.connections))
    }

    fn large(&self, server: Server, row: &Row, get: &Get, load: &Load) -> io::Result<Reading> {
        let (measured, length) = self.press(server, row, get, load)?;
        let requests = measured.received as f64 / length as f64;
        Ok(Reading::new(&measured, requests, load.connections))
    }

    fn cold(&self, server: Server, cold: &Cold, load: &Load) -> io::Result<Reading> {
        let (tree, harness) = (server.tree()?, Tree::of_one(std::process::id()));
        let before = tree.disk()?;
        let sample = || Sample::take(&tree, &harness);
        let (measured, logged) = self.sweep(&server, cold, load.connections, sample)?;
        let read = tree.disk()?.saturating_sub(before);
        if (read as f64) < FROM_DISK * measured.received as f64 {
            return Err(io::Error::other(format!(
                "of {} MiB the server read {} MiB from the disk: the build directory's file system \
                 keeps files in memory of its own; build on a disk, or leave this row out",
                measured.received >> 20,
                read >> 20
            )));
        }
        finish(server, &tree, cold.get.logged.then_some(logged))?;
        Ok(Reading::new(&measured, measured.requests as f64, load.connections))
    }

    /// Runs the load for its time; returns the length of one response too.
    fn press(
        &self,
        server: Server,
        row: &Row,
        get: &Get,
        load: &Load,
    ) -> io::Result<(Measured<Sample>, usize)> {
        let runtime = generator::runtime()?;
        let (aim, length, requests) = self.aim(&server, row, get)?;
        let (tree, harness) = (server.tree()?, Tree::of_one(std::process::id()));
        let sample = || Sample::take(&tree, &harness);
        let measured = runtime.block_on(generator::run(aim, load, sample))?;
        finish(server, &tree, get.logged.then_some(requests + measured.answered))?;
        Ok((measured, length))
    }

    /// Probes one response; returns the requests of the load, the length of one response, and
    /// the number of requests of the probe.
    fn aim(&self, server: &Server, row: &Row, get: &Get) -> io::Result<(Aim, usize, u64)> {
        let runtime = generator::runtime()?;
        let door = |protocol| Door::tls(server.tls, &self.certificate.known, protocol);
        let near = match row.tls() {
            None => Door::plain(server.address),
            Some(_) => door(Protocol::Http1)?,
        };
        let Probed { asks, mut requests } =
            runtime.block_on(probe(&near, get, row.via, &self.site))?;
        let first = asks.first().ok_or_else(|| io::Error::other("there is nothing to ask for"))?;
        let length = first.length;
        let mut entered = near;
        if row.tls() == Some(Protocol::Http2) {
            entered = door(Protocol::Http2)?;
            let url = self.site.urls(get.path)?.first().map_or("", String::as_str);
            let file = self.site.file(url);
            runtime.block_on(http2::look(&entered, first, get.headers, &file))?;
            requests += 1;
        }
        Ok((Aim::new(entered, row.manner(), asks), length, requests))
    }

    /// Requests each cold file once; returns the number of all requests that the server completed.
    fn sweep<T>(
        &self,
        server: &Server,
        cold: &Cold,
        connections: u32,
        sample: impl Fn() -> io::Result<T>,
    ) -> io::Result<(Measured<T>, u64)> {
        let runtime = generator::runtime()?;
        let door = Door::plain(server.address);
        let Probed { asks, mut requests } =
            runtime.block_on(probe(&door, &cold.get, Via::Http, &self.site))?;
        let mut beside = None;
        if let Some(get) = &cold.beside {
            let probed = runtime.block_on(probe(&door, get, Via::Http, &self.site))?;
            requests += probed.requests;
            beside = probed.asks.into_iter().next();
        }
        self.site.chill(self.site.urls(cold.get.path)?)?;
        let aim = Aim::new(door, Manner::Kept, asks);
        let measured = runtime.block_on(sweep::run(aim, beside, connections, sample))?;
        let answered = measured.answered;
        Ok((measured, requests + answered))
    }

    fn start(
        &self,
        kind: Kind,
        via: Via,
        (tls, is_cached): (bool, bool),
        load: &Load,
    ) -> io::Result<Server> {
        let application = self.origin.application(via);
        let (root, directory) = (self.site.root(), self.site.server_directory()?);
        let setup = Setup {
            listen: server::anywhere(),
            tls: tls.then_some((server::anywhere(), &self.certificate)),
            admin: server::anywhere(),
            application: &application,
            root: &root,
            directory: &directory,
            workers: load.workers,
            connections: load.connections,
            is_cached,
            in_flight: IN_FLIGHT,
            settings: &[],
            launcher: &[],
        };
        Server::start(kind, &setup)
    }
}

/// Ends a server, whose processes must be the measured ones; `logged` is the expected number of lines in its
/// access log.
fn finish(server: Server, tree: &Tree, logged: Option<u64>) -> io::Result<()> {
    if server.tree()? != *tree {
        return Err(io::Error::other(
            "the server started or lost a process during the run, so its CPU time is not known",
        ));
    }
    let logged = logged.filter(|_| server.writes_log());
    let lines = server.stop()?;
    logged.map_or(Ok(()), |requests| all_logged(lines, requests))
}

/// A server that drops log lines under load does less work than the others.
pub(crate) fn all_logged(lines: u64, answered: u64) -> io::Result<()> {
    if lines == answered {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{answered} requests were answered, but the access log has {lines} lines"
    )))
}
