//! Problems of the settings. All problems are collected, then reported together.

use std::{borrow::Cow, error::Error, fmt};

use super::{
    keys::{InvalidValue, SettingId, SettingKey},
    secret,
    sources::{SourceValue, ValueOrigin},
};

/// Longer excerpts of a file are cut.
const MAX_EXCERPT: usize = 60;

/// A problem, with the source of the setting and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    key: Option<&'static str>,
    subject: String,
    fault: String,
    expected: Option<String>,
    is_missing: bool,
}

/// All problems, in the order of the sources and then of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

// === impl Problem ===

impl Problem {
    /// The key with the problem, if it exists.
    pub fn key(&self) -> Option<&'static str> {
        self.key
    }

    /// Whether a key without a default is not set.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// Whether each value may be valid on its own, or beside others.
    pub fn is_conflict(&self) -> bool {
        self.is_missing || (self.key.is_some() && self.expected.is_none())
    }

    /// Reports a value that does not have the format of its key.
    pub(super) fn bad_value(id: &SettingId, invalid: &InvalidValue, origin: &ValueOrigin) -> Self {
        match &invalid.item {
            Some(item) => Self::bad(id, item, |text| format!("{text:?}"), origin, &invalid.fault),
            None => Self::bad(id, "[]", str::to_owned, origin, &invalid.fault),
        }
    }

    /// Reports an excerpt of a file, which has its own quotes.
    pub(super) fn bad_excerpt(
        id: &SettingId,
        text: &str,
        origin: &ValueOrigin,
        fault: &str,
    ) -> Self {
        Self::bad(id, text, cut, origin, fault)
    }

    /// Hides the fault of a secret value, because faults repeat parts of the value.
    fn bad(
        id: &SettingId,
        text: &str,
        show: impl Fn(&str) -> String,
        origin: &ValueOrigin,
        fault: &str,
    ) -> Self {
        let properties = id.key.kind.properties();
        let (shown, fault) = match secret::hidden(text, properties.kind) {
            _ if properties.is_secret => {
                (if origin.is_secret() { "(from file)" } else { "(not shown)" }.into(), fault)
            }
            _ if origin.is_secret() => {
                ("(from file)".into(), "the content of the file is not valid")
            }
            Some(hidden) => (show(&hidden.shown), hidden.fault),
            None => (show(text), fault),
        };
        Self {
            key: Some(id.key.name),
            subject: format!("{id} = {shown} ({origin})"),
            fault: fault.into(),
            expected: Some(id.key.kind.expected()),
            is_missing: false,
        }
    }

    /// Reports a valid value that conflicts with another one. The fault must not contain any part of a secret.
    pub(super) fn conflict(id: &SettingId, value: &SourceValue, fault: String) -> Self {
        let subject = format!("{id} = {} ({})", value.quoted(id.key), value.origin);
        Self { key: Some(id.key.name), subject, fault, expected: None, is_missing: false }
    }

    /// Reports a required key that is not set.
    pub(super) fn missing(id: &SettingId, fault: String) -> Self {
        let expected = Some(id.key.kind.expected());
        let subject = format!("{id} (not set)");
        Self { key: Some(id.key.name), subject, fault, expected, is_missing: true }
    }

    /// Reports a source that cannot be read, or a name that is unknown.
    pub(super) fn about(
        key: Option<&SettingKey>,
        subject: impl Into<String>,
        fault: String,
    ) -> Self {
        let key = key.map(|key| key.name);
        Self { key, subject: subject.into(), fault, expected: None, is_missing: false }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_EXCERPT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None => text.into(),
    }
}

/// Escapes control characters. Faults contain parts of values, and a terminal or a log must not interpret them.
fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |letter: char| letter.is_control() && letter != '\n';
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if obeyed(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown.into()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n     {}", printable(&self.subject), printable(&self.fault))?;
        match &self.expected {
            Some(expected) => write!(f, "\n     expected: {expected}"),
            None => Ok(()),
        }
    }
}

// === impl Problems ===

impl Problems {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// Returns all problems, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "1 problem with the settings:")?,
            count => write!(f, "{count} problems with the settings:")?,
        }
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "\n{:>3}. {problem}", index + 1)?;
        }
        Ok(())
    }
}

impl Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_values_are_escaped() {
        let problem = Problem::about(None, "a\tb", "write \u{1b}[2J\u{7f}\u{9b}c\nd".into());
        assert_eq!(problem.to_string(), "a\\tb\n     write \\u{1b}[2J\\u{7f}\\u{9b}c\nd");
    }
}
