//! The common form of all examples: containers that start and stop in an order,
//! share volumes, and a load balancer in front of one of them.

use std::collections::BTreeMap;

use serde_json::Value;

/// One deployment.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) file: String,
    pub(super) containers: Vec<Container>,
    /// `None` means no load balancer.
    pub(super) balancer: Option<Balancer>,
}

/// One container; missing values have the default of the platform.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) environment: BTreeMap<String, String>,
    /// Variables whose values are stored elsewhere, and where.
    pub(super) secrets: BTreeMap<String, String>,
    /// Entry point and command that replace those of the image.
    pub(super) command: Vec<String>,
    /// `None` is the image's own.
    pub(super) health: Option<Health>,
    /// Ports that other hosts reach.
    pub(super) ports: Vec<u16>,
    pub(super) mounts: Vec<Mount>,
    /// Other containers, and the state they must have reached: `start` or `success`.
    pub(super) depends: Vec<(String, String)>,
    /// Whether the end of this container ends all others.
    pub(super) is_essential: bool,
    pub(super) stop_seconds: u64,
    pub(super) has_read_only_root: bool,
    pub(super) descriptors: Option<u64>,
    /// In bytes.
    pub(super) memory: Option<u64>,
    /// `None` is the image's own.
    pub(super) user: Option<String>,
}

/// A volume in a container.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    pub(super) volume: String,
    pub(super) path: String,
    pub(super) is_read_only: bool,
}

/// A container's health command, and its times in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) command: Vec<String>,
    pub(super) interval: u64,
    pub(super) timeout: u64,
    pub(super) retries: u64,
    pub(super) start: u64,
}

/// The settings of a load balancer.
#[derive(Debug)]
pub(super) struct Balancer {
    pub(super) container: String,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) codes: String,
    pub(super) interval: u64,
    pub(super) timeout: u64,
    pub(super) deregistration: u64,
    /// How long failing checks are ignored after the start.
    pub(super) grace: u64,
}

// === impl Example ===

impl Example {
    #[track_caller]
    pub(super) fn container(&self, name: &str) -> &Container {
        let found = self.containers.iter().find(|one| one.name == name);
        found.unwrap_or_else(|| panic!("{}: there is no container {name}", self.file))
    }

    /// Whether `later` starts after `earlier` has, and so stops before it.
    pub(super) fn is_ordered(&self, earlier: &str, later: &str) -> bool {
        let depends = &self.container(later).depends;
        depends.iter().any(|(name, _)| name == earlier || self.is_ordered(earlier, name))
    }
}

/// Converts each item of a list; a missing list is empty.
pub(super) fn list<T>(value: &Value, make: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().map(|items| items.iter().map(make).collect()).unwrap_or_default()
}

/// Text, or a number or flag as text.
#[track_caller]
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => panic!("{value} is no text"),
    }
}

#[track_caller]
pub(super) fn number(value: &Value) -> u64 {
    word(value).parse().unwrap_or_else(|_| panic!("{value} is no number"))
}

#[track_caller]
pub(super) fn port(value: &Value) -> u16 {
    u16::try_from(number(value)).unwrap()
}
