//! Names one setting: a key of the table, and for the keys of a route the route.

use std::{cmp::Ordering, fmt, sync::Arc};

use super::key::SettingKey;

/// A setting: `upstream.url`, or `route.api.path` for the route `api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingId {
    pub key: &'static SettingKey,
    /// `None` unless the key is one of [`ROUTE_KEYS`](super::ROUTE_KEYS).
    pub route: Option<Arc<str>>,
}

// === impl SettingId ===

impl SettingId {
    /// Returns the setting of a route.
    pub(in crate::config) fn of_route(key: &'static SettingKey, route: &str) -> Self {
        Self { key, route: Some(route.into()) }
    }

    /// Returns its name in the environment.
    pub fn env_name(&self) -> String {
        match &self.route {
            None => self.key.env_name(),
            Some(route) => {
                format!("SIDEMAN_ROUTE__{route}__{}", self.key.leaf()).to_ascii_uppercase()
            }
        }
    }
}

impl From<&'static SettingKey> for SettingId {
    fn from(key: &'static SettingKey) -> Self {
        Self { key, route: None }
    }
}

impl fmt::Display for SettingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            None => f.write_str(self.key.name),
            Some(route) => write!(f, "{}.{route}.{}", self.key.section(), self.key.leaf()),
        }
    }
}

impl Ord for SettingId {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.key.name, &self.route).cmp(&(other.key.name, &other.route))
    }
}

impl PartialOrd for SettingId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
