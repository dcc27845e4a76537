//! A row of the table of settings, and the names derived from it.

use std::fmt;

use super::kind::{SettingKind, SingleValue};
use crate::config::format::BoolFormat;

/// One setting.
#[derive(Clone, Copy)]
pub struct SettingKey {
    /// `section.key`, as in the TOML file.
    pub name: &'static str,
    /// The default as text, with one item unless the setting is a list. `None` if the key must be set.
    pub default: Option<&'static [&'static str]>,
    /// The format of its values, and the function that stores the value in the draft of the plan.
    pub(in crate::config) kind: &'static dyn SettingKind,
    /// Describes the effect in a few sentences.
    pub doc: &'static str,
    /// A shorter name in the environment, in addition to [`SettingKey::env_name`].
    pub short_env: Option<&'static str>,
    pub flag: Option<FlagSpec>,
}

/// A command line flag.
#[derive(Clone, Copy, Debug)]
pub struct FlagSpec {
    /// The name, including its dashes.
    pub name: &'static str,
    /// The placeholder of its value in `--help`.
    pub value: &'static str,
    /// Its text in `--help`. Other names and the default are appended.
    pub help: &'static str,
}

pub(super) const fn flag(
    name: &'static str,
    value: &'static str,
    help: &'static str,
) -> Option<FlagSpec> {
    Some(FlagSpec { name, value, help })
}

// === impl SettingKey ===

impl SettingKey {
    /// Defaults for the fields of a row.
    pub(super) const BLANK: Self = Self {
        name: "",
        default: None,
        kind: &SingleValue(BoolFormat, |_, _| {}),
        doc: "",
        short_env: None,
        flag: None,
    };

    /// Returns the name in the environment that every key has: `SIDEMAN_SECTION__KEY`.
    pub fn env_name(&self) -> String {
        format!("SIDEMAN_{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// Returns whether the value is a list: an array in the file, comma separated in the environment, a repeated flag.
    pub fn is_list(&self) -> bool {
        self.kind.is_list()
    }

    /// Returns the part before the dot.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// Returns the part after the dot.
    pub fn leaf(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, leaf)| leaf)
    }
}

impl fmt::Debug for SettingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for SettingKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SettingKey {}
