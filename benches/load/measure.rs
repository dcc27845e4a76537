//! One run: a fresh server, a look at its answer, the load, and what the server used meanwhile.

use std::{io, time::Duration};

use crate::{
    client,
    generator::{self, Aim, Measured},
    options::Load,
    origin::Origin,
    probe::probe,
    proc::{self, Tree},
    rows::{Get, Row, Scenario},
    server::{Kind, Server, Setup},
    site::Site,
};

/// What all runs share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) site: Site,
    pub(crate) origin: Origin,
}

/// A reading and where it belongs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) row: &'static str,
    /// The position in the list of servers under test.
    pub(crate) contender: usize,
    pub(crate) round: u32,
    pub(crate) reading: Reading,
}

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// CPU time of the server's process tree.
    pub(crate) cpu: Duration,
    /// CPU time of this process: generator and origin.
    pub(crate) harness_cpu: Duration,
    /// CPU time of everything else on this machine.
    pub(crate) others_cpu: Duration,
    pub(crate) memory_kib: u64,
}

/// What is read at either end of the window.
#[derive(Clone, Copy, Debug)]
struct Sample {
    cpu: Duration,
    harness_cpu: Duration,
    machine_cpu: Duration,
    memory_kib: u64,
}

// === impl Bench ===

impl Bench {
    /// Runs one row once against a server started for it.
    pub(crate) fn measure(&self, kind: Kind, row: &Row, load: &Load) -> io::Result<Reading> {
        let server = self.start(kind, load.workers, load.connections)?;
        match &row.scenario {
            Scenario::KeepAlive(get) => self.keep_alive(server, get, load),
        }
    }

    /// Asks a server once for each row.
    pub(crate) fn smoke(&self, kind: Kind, rows: &[&Row]) -> io::Result<()> {
        let server = self.start(kind, 1, 1)?;
        let runtime = generator::runtime()?;
        let mut logged = 0;
        for row in rows {
            match &row.scenario {
                Scenario::KeepAlive(get) => {
                    let probed = runtime.block_on(probe(server.address, get, &self.site)).map_err(
                        |error| io::Error::other(format!("{kind}, {}: {error}", row.name)),
                    )?;
                    logged += if get.logged { probed.requests } else { 0 };
                }
            }
        }
        all_logged(server.stop()?, logged)
    }

    fn keep_alive(&self, server: Server, get: &Get, load: &Load) -> io::Result<Reading> {
        let runtime = generator::runtime()?;
        let address = server.address;
        let probed = runtime.block_on(probe(address, get, &self.site))?;
        let request = client::request(address, get.path);
        let aim = Aim { address, request, length: probed.length };

        let tree = server.tree()?;
        let harness = Tree::of_one(std::process::id());
        let measured = runtime.block_on(generator::run(aim, load, || {
            Ok(Sample {
                cpu: tree.cpu()?,
                harness_cpu: harness.cpu()?,
                machine_cpu: proc::machine_cpu()?,
                memory_kib: tree.memory()?,
            })
        }))?;
        if server.tree()? != tree {
            return Err(io::Error::other(
                "the server started or lost a process during the run, so its CPU time is not known",
            ));
        }
        let lines = server.stop()?;
        if get.logged {
            all_logged(lines, measured.answered + probed.requests)?;
        }
        Ok(Reading::new(&measured))
    }

    fn start(&self, kind: Kind, workers: u32, connections: u32) -> io::Result<Server> {
        let origin = self.origin.address;
        let (root, directory) = (self.site.root(), self.site.server_directory()?);
        let setup = Setup {
            // Replaced by a free port.
            listen: origin,
            origin,
            root: &root,
            directory: &directory,
            workers,
            connections,
        };
        Server::start(kind, &setup)
    }
}

// === impl Reading ===

impl Reading {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// The server's CPU time for each request, in microseconds.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    /// Generator's and origin's CPU time for each request, in microseconds.
    pub(crate) fn harness_cpu_each(&self) -> f64 {
        self.harness_cpu.as_secs_f64() * 1e6 / self.requests as f64
    }

    /// How many cores the server kept busy.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// How many cores were kept busy by what is not part of the test.
    pub(crate) fn others(&self) -> f64 {
        self.others_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    fn new(measured: &Measured<Sample>) -> Self {
        let Measured { before, after, .. } = measured;
        let cpu = after.cpu.saturating_sub(before.cpu);
        let harness_cpu = after.harness_cpu.saturating_sub(before.harness_cpu);
        let machine_cpu = after.machine_cpu.saturating_sub(before.machine_cpu);
        Self {
            requests: measured.requests,
            elapsed: measured.elapsed,
            p50: measured.p50,
            p99: measured.p99,
            cpu,
            harness_cpu,
            others_cpu: machine_cpu.saturating_sub(cpu + harness_cpu),
            memory_kib: after.memory_kib,
        }
    }
}

/// A server that drops log lines under load saves work that the others do.
fn all_logged(lines: u64, answered: u64) -> io::Result<()> {
    if lines == answered {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{answered} requests were answered, but the access log has {lines} lines"
    )))
}
