//! The measurements of one run, and the figures that follow from them.

use std::{io, time::Duration};

use crate::{
    generator::Measured,
    proc::{self, Tree},
};

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) connections: u32,
    /// Whole responses; of large ones their bytes, in responses.
    pub(crate) requests: f64,
    /// Bytes of bodies.
    pub(crate) received: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// CPU time of the server's process tree.
    pub(crate) cpu: Duration,
    /// CPU time of this process: generator and origin.
    pub(crate) harness_cpu: Duration,
    /// CPU time of all other processes on this machine.
    pub(crate) others_cpu: Duration,
    pub(crate) memory_kib: u64,
}

/// The sample at either end of the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    cpu: Duration,
    harness_cpu: Duration,
    machine_cpu: Duration,
    memory_kib: u64,
}

// === impl Reading ===

impl Reading {
    /// The difference between the samples, for this number of responses.
    pub(crate) fn new(measured: &Measured<Sample>, requests: f64, connections: u32) -> Self {
        let Measured { before, after, .. } = measured;
        let cpu = after.cpu.saturating_sub(before.cpu);
        let harness_cpu = after.harness_cpu.saturating_sub(before.harness_cpu);
        let machine_cpu = after.machine_cpu.saturating_sub(before.machine_cpu);
        Self {
            connections,
            requests,
            received: measured.received,
            elapsed: measured.elapsed,
            p50: measured.p50,
            p99: measured.p99,
            cpu,
            harness_cpu,
            others_cpu: machine_cpu.saturating_sub(cpu + harness_cpu),
            memory_kib: after.memory_kib,
        }
    }

    /// Responses per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests / self.elapsed.as_secs_f64()
    }

    /// The server's CPU time for each request, in microseconds.
    pub(crate) fn cpu_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests
    }

    /// Generator's and origin's CPU time for each request, in microseconds.
    pub(crate) fn harness_cpu_each(&self) -> f64 {
        self.harness_cpu.as_secs_f64() * 1e6 / self.requests
    }

    /// The bytes of one body.
    pub(crate) fn size_each(&self) -> f64 {
        self.received as f64 / self.requests
    }

    /// The p99 in microseconds.
    pub(crate) fn p99_us(&self) -> f64 {
        self.p99.as_secs_f64() * 1e6
    }

    /// How many cores the server kept busy.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// How many cores other processes kept busy.
    pub(crate) fn others(&self) -> f64 {
        self.others_cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

// === impl Sample ===

impl Sample {
    /// Reads the use so far by the server and by this process.
    pub(crate) fn take(server: &Tree, harness: &Tree) -> io::Result<Self> {
        Ok(Self {
            cpu: server.cpu()?,
            harness_cpu: harness.cpu()?,
            machine_cpu: proc::machine_cpu()?,
            memory_kib: server.memory()?,
        })
    }
}
