//! Where the text of each setting came from, and which source wins.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use super::{
    keys::{KEYS, SettingKey},
    secret,
};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueOrigin {
    /// Nowhere: the default.
    Default,
    /// A line of the settings file.
    File { path: PathBuf, line: usize },
    /// A variable.
    Environment { name: String },
    /// A file that a variable ending in `_FILE` names. Its content is never shown.
    SecretFile { name: String, path: PathBuf },
    /// A command line flag.
    Flag { name: &'static str },
}

/// A setting's text; a scalar has exactly one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceValue {
    pub(super) items: Vec<String>,
    pub(super) origin: ValueOrigin,
}

/// The text of every setting, with the highest source's on top.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    values: BTreeMap<&'static str, SourceValue>,
    /// Keys whose absence is explained by a problem reported already.
    waived: BTreeSet<&'static str>,
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
            Self::Flag { name } => write!(f, "{name}"),
        }
    }
}

// === impl SourceValue ===

impl SourceValue {
    /// The text for a message, quoted, unless it is nobody's business.
    pub(super) fn quoted(&self, key: &SettingKey) -> String {
        if self.origin.is_secret() {
            return "(from file)".into();
        }
        let is_address = key.kind.properties().is_address;
        let shown = |item: &String| {
            secret::hidden(item, is_address).map_or_else(|| item.clone(), |hidden| hidden.shown)
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
    /// Every default.
    pub(super) fn defaults() -> Self {
        let default = |key: &'static SettingKey| {
            let items = key.default?.iter().map(|&item| item.to_owned()).collect();
            Some((key.name, SourceValue { items, origin: ValueOrigin::Default }))
        };
        Self { values: KEYS.iter().filter_map(default).collect(), waived: BTreeSet::new() }
    }

    /// Replaces what lower sources said.
    pub(super) fn set(&mut self, key: &'static SettingKey, value: SourceValue) {
        self.values.insert(key.name, value);
    }

    /// Forgets what lower sources said: this source wanted to replace it, and could not. A problem
    /// was reported, so that nothing follows from a value nobody asked for.
    pub(super) fn discard(&mut self, key: &'static SettingKey) {
        self.values.remove(key.name);
        self.waive(key);
    }

    /// Forgets everything that lower sources said.
    pub(super) fn discard_all(&mut self) {
        KEYS.iter().for_each(|key| self.discard(key));
    }

    /// Does not complain if the key is missing.
    pub(super) fn waive(&mut self, key: &'static SettingKey) {
        self.waived.insert(key.name);
    }

    pub(super) fn is_waived(&self, key: &'static SettingKey) -> bool {
        self.waived.contains(key.name)
    }

    pub(super) fn value(&self, key: &'static SettingKey) -> Option<&SourceValue> {
        self.values.get(key.name)
    }
}
