//! What is wrong with the settings: every problem is collected, then all are shown at once.

use std::{borrow::Cow, error::Error, fmt};

use super::{
    keys::{InvalidValue, SettingKey},
    secret,
    sources::{SourceValue, ValueOrigin},
};

/// Longer pieces of a file are cut.
const SHOWN: usize = 60;

/// One thing that is wrong, where it was set, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    key: Option<&'static str>,
    subject: String,
    fault: String,
    expected: Option<String>,
    is_missing: bool,
}

/// Everything that is wrong, in the order of the sources and then of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

// === impl Problem ===

impl Problem {
    /// The key it is about, if it is about one that exists.
    pub fn key(&self) -> Option<&'static str> {
        self.key
    }

    /// Whether it is that nobody set a key that has no default.
    pub fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// A value that does not have the form its key asks for.
    pub(super) fn bad_value(
        key: &SettingKey,
        invalid: &InvalidValue,
        origin: &ValueOrigin,
    ) -> Self {
        match &invalid.item {
            Some(item) => Self::bad(key, item, |text| format!("{text:?}"), origin, &invalid.fault),
            None => Self::bad(key, "[]", str::to_owned, origin, &invalid.fault),
        }
    }

    /// The same for a piece of a file, which has quotes of its own.
    pub(super) fn bad_excerpt(
        key: &SettingKey,
        text: &str,
        origin: &ValueOrigin,
        fault: &str,
    ) -> Self {
        Self::bad(key, text, cut, origin, fault)
    }

    /// A fault repeats parts of the value, which what is secret must not.
    fn bad(
        key: &SettingKey,
        text: &str,
        show: impl Fn(&str) -> String,
        origin: &ValueOrigin,
        fault: &str,
    ) -> Self {
        let (shown, fault) = match secret::hidden(text, key.kind.properties().is_address) {
            _ if origin.is_secret() => ("(from file)".into(), "what the file holds is not valid"),
            Some(hidden) => (show(&hidden.shown), hidden.fault),
            None => (show(text), fault),
        };
        Self {
            key: Some(key.name),
            subject: format!("{} = {shown} ({origin})", key.name),
            fault: fault.into(),
            expected: Some(key.kind.expected()),
            is_missing: false,
        }
    }

    /// A value that is well formed but does not go with another one. The fault must hold no part
    /// of a secret.
    pub(super) fn conflict(key: &SettingKey, value: &SourceValue, fault: String) -> Self {
        let subject = format!("{} = {} ({})", key.name, value.quoted(key), value.origin);
        Self { key: Some(key.name), subject, fault, expected: None, is_missing: false }
    }

    /// A required key that nobody set.
    pub(super) fn missing(key: &SettingKey, fault: String) -> Self {
        let expected = Some(key.kind.expected());
        let subject = format!("{} (not set)", key.name);
        Self { key: Some(key.name), subject, fault, expected, is_missing: true }
    }

    /// Something that could not be read at all, or that nothing is known by.
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
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None => text.into(),
    }
}

/// Parts of values stand in a fault, and a terminal or a log must not obey what is in them.
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

    /// Each problem, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "there is a problem with the settings:")?,
            count => write!(f, "there are {count} problems with the settings:")?,
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
