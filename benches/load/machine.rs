//! The machine of a result.

use std::{fs, io, thread::available_parallelism};

use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};

/// The properties of this machine that explain numbers.
#[derive(Debug)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    /// The highest descriptor limit that a server may set.
    descriptors: Option<u64>,
}

// === impl Machine ===

impl Machine {
    /// Reads the properties.
    pub(crate) fn look() -> io::Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let processor = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown processor", |(_, name)| name.trim());
        Ok(Self {
            processor: processor.to_owned(),
            cores: available_parallelism()?.get(),
            // Without the suffix of the distribution or of the host of a virtual machine.
            kernel: release.trim().split('-').next().unwrap_or_default().to_owned(),
            descriptors: getrlimit(Resource::Nofile).maximum,
        })
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let Self { processor, cores, kernel, descriptors } = self;
        let descriptors = descriptors.map_or("any number of".into(), |limit| limit.to_string());
        format!("{cores} x {processor}, Linux {kernel}, {descriptors} descriptors")
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "kernel": self.kernel,
            "descriptors": self.descriptors,
        })
    }
}
