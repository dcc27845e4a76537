//! The text of each setting, its source, and the precedence of sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use super::{
    keys::{KEYS, SettingId, SettingKey},
    secret,
};

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueOrigin {
    /// The built-in default.
    Default,
    /// A line of the settings file.
    File { path: PathBuf, line: usize },
    /// A variable.
    Environment { name: String },
    /// A file that a variable ending in `_FILE` names. Its content is never shown.
    SecretFile { name: String, path: PathBuf },
    /// A command line flag.
    Flag { name: &'static str },
    /// A command that chooses the value by itself.
    Command { name: &'static str },
}

/// A setting's text; a scalar has exactly one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceValue {
    pub(super) items: Vec<String>,
    pub(super) origin: ValueOrigin,
}

/// The text of every setting, from the source with the highest precedence.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    values: BTreeMap<SettingId, SourceValue>,
    /// Settings that may be missing because of a problem that was already reported.
    waived: BTreeSet<SettingId>,
}

// === impl ValueOrigin ===

impl ValueOrigin {
    /// Whether the value must not be printed.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::SecretFile { .. })
    }
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => write!(f, "{name}"),
            Self::SecretFile { name, path } => write!(f, "{name}={}", path.display()),
            Self::Flag { name } | Self::Command { name } => write!(f, "{name}"),
        }
    }
}

// === impl SourceValue ===

impl SourceValue {
    /// Returns the text for a message, quoted; secrets are hidden.
    pub(super) fn quoted(&self, key: &SettingKey) -> String {
        if self.origin.is_secret() {
            return "(from file)".into();
        }
        let properties = key.kind.properties();
        if properties.is_secret {
            return "(not shown)".into();
        }
        let shown = |item: &String| {
            secret::hidden(item, properties.kind)
                .map_or_else(|| item.clone(), |hidden| hidden.shown)
        };
        let items: Vec<String> = self.items.iter().map(shown).collect();
        match items.as_slice() {
            [] => "[]".into(),
            [item] => format!("{item:?}"),
            items => format!("{items:?}"),
        }
    }
}

// === impl Sources ===

impl Sources {
    /// Returns the defaults.
    pub(super) fn defaults() -> Self {
        let default = |key: &'static SettingKey| {
            let items = key.default?.iter().map(|&item| item.to_owned()).collect();
            Some((key.into(), SourceValue { items, origin: ValueOrigin::Default }))
        };
        Self { values: KEYS.iter().filter_map(default).collect(), waived: BTreeSet::new() }
    }

    /// Replaces the values of lower sources.
    pub(super) fn set(&mut self, id: impl Into<SettingId>, value: SourceValue) {
        self.values.insert(id.into(), value);
    }

    /// Removes the values of lower sources, because this source failed to replace them. The problem was reported
    /// already, so nothing else must be derived from an outdated value.
    pub(super) fn discard(&mut self, id: impl Into<SettingId>) {
        let id = id.into();
        self.values.remove(&id);
        self.waived.insert(id);
    }

    /// Removes all values of lower sources.
    pub(super) fn discard_all(&mut self) {
        KEYS.iter().for_each(|key| self.discard(key));
    }

    /// Suppresses the problem of a missing setting.
    pub(super) fn waive(&mut self, id: impl Into<SettingId>) {
        self.waived.insert(id.into());
    }

    pub(super) fn is_waived(&self, id: &SettingId) -> bool {
        self.waived.contains(id)
    }

    pub(super) fn value(&self, id: &SettingId) -> Option<&SourceValue> {
        self.values.get(id)
    }

    /// Returns the names of all routes, in alphabetical order.
    pub(super) fn routes(&self) -> BTreeSet<Arc<str>> {
        self.values.keys().filter_map(|id| id.route.clone()).collect()
    }
}
