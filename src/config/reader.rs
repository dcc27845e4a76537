//! Reads typed values out of the sources. Every method answers `None` after it reported a problem,
//! so that `build` goes on to the next key: a bad value never becomes a default.

use std::time::Duration;

use super::{
    keys::{self, Key, Kind},
    problem::Problem,
    sources::{Origin, Sources, Value},
    value,
};

/// A setting as it is in force, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static Key,
    /// The value; `(from file)` if it is a secret.
    pub text: String,
    pub origin: Origin,
}

/// Collects what was read, and what could not be.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    sources: &'a Sources,
    problems: Vec<Problem>,
    settings: Vec<Setting>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// Starts with the problems of the sources themselves.
    pub(super) fn new(sources: &'a Sources, problems: Vec<Problem>) -> Self {
        Self { sources, problems, settings: Vec::new() }
    }

    pub(super) fn finish(self) -> (Vec<Setting>, Vec<Problem>) {
        (self.settings, self.problems)
    }

    pub(super) fn duration(&mut self, name: &str) -> Option<Duration> {
        self.scalar(name, |kind, text| {
            let Kind::Duration { least, most } = kind else { return Err(mismatch()) };
            value::duration(text, least, most)
        })
    }

    /// `Some(None)` is the word.
    pub(super) fn duration_or_word(&mut self, name: &str) -> Option<Option<Duration>> {
        self.scalar(name, |kind, text| {
            let Kind::DurationOrWord { least, most, word } = kind else { return Err(mismatch()) };
            // What other programs write for it.
            if word == "off" && matches!(text, "0" | "0s" | "none" | "never" | "false" | "no") {
                return Err("write off".into());
            }
            value::or_word(text, word, |text| value::duration(text, least, most))
        })
    }

    pub(super) fn size(&mut self, name: &str) -> Option<u64> {
        self.scalar(name, |kind, text| {
            let Kind::Size { least, most } = kind else { return Err(mismatch()) };
            value::size(text, least, most)
        })
    }

    /// `Some(None)` is the word.
    pub(super) fn size_or_word(&mut self, name: &str) -> Option<Option<u64>> {
        self.scalar(name, |kind, text| {
            let Kind::SizeOrWord { least, most, word } = kind else { return Err(mismatch()) };
            // What other programs write for it.
            if text != word && matches!(text, "0" | "0B" | "none" | "off") {
                return Err(format!("write {word}"));
            }
            value::or_word(text, word, |text| value::size(text, least, most))
        })
    }

    pub(super) fn integer(&mut self, name: &str) -> Option<usize> {
        self.scalar(name, |kind, text| {
            let Kind::Integer { least, most } = kind else { return Err(mismatch()) };
            value::integer(text, least, most)
        })
    }

    /// A number; `Some(None)` is `auto`.
    pub(super) fn workers(&mut self, name: &str) -> Option<Option<usize>> {
        self.scalar(name, |kind, text| {
            let Kind::Workers { most } = kind else { return Err(mismatch()) };
            value::or_word(text, "auto", |text| value::integer(text, 1, most))
        })
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.scalar(name, |_, text| value::boolean(text))
    }

    /// One of the choices, as the member of `values` in the same place.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, values: &[T]) -> Option<T> {
        self.scalar(name, |kind, text| {
            let Kind::Choice(words) = kind else { return Err(mismatch()) };
            let place = value::choice(text, words)?;
            values.get(place).copied().ok_or_else(mismatch)
        })
    }

    /// A value with a parser of its own; `show` writes it the way it is in force.
    pub(super) fn one<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        let (key, value) = self.find(name)?;
        let text = value.items.first().map_or("", String::as_str);
        match parse(text) {
            Ok(parsed) => {
                self.record(key, value, show(&parsed));
                Some(parsed)
            }
            Err(fault) => {
                self.bad_value(key, text, value, &fault);
                None
            }
        }
    }

    /// The same, and `Some(None)` is `none`.
    pub(super) fn one_or_none<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Option<Option<T>> {
        let show = |value: &Option<T>| value.as_ref().map_or_else(|| "none".into(), &show);
        self.one(name, |text| value::or_none(text, &parse), show)
    }

    /// A list, item by item; every bad one is reported.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(&T) -> String,
    ) -> Option<Vec<T>> {
        let (key, value) = self.find(name)?;
        let items = match value.items.as_slice() {
            [only] if only == "none" && key.kind.may_be_none() => &[],
            items => items,
        };
        let mut parsed = Vec::new();
        for item in items {
            let read = match item.as_str() {
                "" => Err("an item of the list is empty".into()),
                "none" if key.kind.may_be_none() => Err("none cannot stand beside others".into()),
                item => parse(item),
            };
            match read {
                Ok(item) => parsed.push(item),
                Err(fault) => self.bad_value(key, item, value, &fault),
            }
        }
        if items.is_empty() && !key.kind.may_be_none() {
            self.problems.push(Problem::bad_excerpt(key, "[]", &value.origin, "the list is empty"));
            return None;
        }
        if parsed.len() < items.len() {
            return None;
        }
        let text = match parsed.is_empty() {
            true => "none".into(),
            false => parsed.iter().map(show).collect::<Vec<_>>().join(", "),
        };
        self.record(key, value, text);
        Some(parsed)
    }

    /// Whether nobody set this key.
    pub(super) fn is_default(&self, name: &str) -> bool {
        let value = keys::find(name).and_then(|key| self.sources.value(key));
        value.is_some_and(|value| value.origin == Origin::Default)
    }

    /// Reports that a well-formed value does not go with another one.
    pub(super) fn conflict(&mut self, name: &str, fault: &'static str) {
        if let Some((key, value)) = self.find(name) {
            self.problems.push(Problem::conflict(key, value, fault.into()));
        }
    }

    /// The same for what needs more words: `fault` repeats parts of the values of `names`, whose
    /// first is the one to change; `plain` is said in its place if one of them is a secret.
    pub(super) fn conflict_of(&mut self, names: &[&str], fault: String, plain: &'static str) {
        let values = names.iter().filter_map(|name| self.sources.value(keys::find(name)?));
        let secret = values.into_iter().any(|value| value.origin.is_secret());
        let found = names.first().and_then(|name| self.find(name));
        if let Some((key, value)) = found {
            let fault = if secret { plain.into() } else { fault };
            self.report(Problem::conflict(key, value, fault));
        }
    }

    /// A value that is shown as it was written.
    fn scalar<T>(
        &mut self,
        name: &str,
        parse: impl Fn(Kind, &str) -> Result<T, String>,
    ) -> Option<T> {
        let (key, value) = self.find(name)?;
        let text = value.items.first().cloned().unwrap_or_default();
        self.one(name, |text| parse(key.kind, text), |_| text.clone())
    }

    fn find(&mut self, name: &str) -> Option<(&'static Key, &'a Value)> {
        let Some(key) = keys::find(name) else {
            self.problems.push(Problem::about(None, name, mismatch()));
            return None;
        };
        let value = self.sources.value(key);
        if value.is_none() && !self.sources.is_excused(key) {
            self.problems.push(missing(key));
        }
        Some((key, value?))
    }

    fn bad_value(&mut self, key: &Key, text: &str, value: &Value, fault: &str) {
        self.report(Problem::bad_value(key, text, &value.origin, fault));
    }

    /// Items of a list may be wrong in the same way: once is enough.
    fn report(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn record(&mut self, key: &'static Key, value: &Value, text: String) {
        let text = if value.origin.is_secret() { "(from file)".into() } else { text };
        self.settings.push(Setting { key, text, origin: value.origin.clone() });
    }
}

/// A required key that no source has.
fn missing(key: &Key) -> Problem {
    let mut ways: Vec<String> = Vec::new();
    ways.extend(key.flag.map(str::to_owned));
    ways.push(key.short_env.map_or_else(|| key.env_name(), str::to_owned));
    ways.push(format!("{} in [{}] of the settings file", key.leaf(), key.section()));
    let fault = format!("it must be set: use {}", ways.join(", or "));
    Problem::missing(key, fault)
}

/// `build` asks for a key in another form than the table has it; the tests read every key.
fn mismatch() -> String {
    "this is a mistake in sideman itself: build and keys disagree".into()
}
