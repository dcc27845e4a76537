//! One row of the table of settings, and the names that follow from it.

use super::kind::Kind;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.key`, as in the TOML file.
    pub name: &'static str,
    /// The default as text, one item unless the kind is a list; `None` when the key must be set.
    pub default: Option<&'static [&'static str]>,
    /// What its values look like.
    pub kind: Kind,
    /// One sentence on what it does.
    pub doc: &'static str,
    /// A shorter name in the environment, beside [`Key::env_name`].
    pub short_env: Option<&'static str>,
    /// The command line flag, with its dashes.
    pub flag: Option<&'static str>,
}

// === impl Key ===

impl Key {
    /// The name in the environment that every key has: `SIDEMAN_SECTION__KEY`.
    pub fn env_name(&self) -> String {
        format!("SIDEMAN_{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// The part before the dot.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The part behind the dot.
    pub fn leaf(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, leaf)| leaf)
    }
}
