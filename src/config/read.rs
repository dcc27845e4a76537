//! Reads every setting of the table, one by one, and then holds them against each other. Every problem is found
//! in one run, and a bad value never becomes a default.

use super::{
    draft::Draft,
    keys::{KEYS, Key},
    problem::Problem,
    rules::{RULES, Rule},
    sources::{Origin, Sources},
};

/// A setting as it is in force, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static Key,
    /// The value; `(from file)` if it is a secret.
    pub text: String,
    pub origin: Origin,
}

/// What came of the text.
#[derive(Debug)]
pub(super) struct Reading {
    /// What could not be read is blank in it.
    pub(super) draft: Draft,
    /// What could be read, in the order of the table.
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the settings that are wanted. `problems` are those of the sources themselves.
pub(super) fn read(
    sources: &Sources,
    problems: Vec<Problem>,
    is_wanted: impl Fn(&Key) -> bool,
) -> Reading {
    let mut reading = Reading { draft: Draft::default(), settings: Vec::new(), problems };
    for key in KEYS.iter().filter(|key| is_wanted(key)) {
        reading.land(key, sources);
    }
    for rule in RULES {
        reading.apply(rule, sources);
    }
    reading
}

// === impl Reading ===

impl Reading {
    fn land(&mut self, key: &'static Key, sources: &Sources) {
        let Some(value) = sources.value(key) else {
            if !sources.is_excused(key) {
                self.problems.push(missing(key));
            }
            return;
        };
        match key.kind.land(&value.items, &mut self.draft) {
            Ok(text) => {
                let text = if value.origin.is_secret() { "(from file)".into() } else { text };
                self.settings.push(Setting { key, text, origin: value.origin.clone() });
            }
            Err(bad) => {
                for bad in bad {
                    self.report(Problem::bad_value(key, &bad, &value.origin));
                }
            }
        }
    }

    /// Reports what is wrong by a rule, unless one of its settings could not be read.
    fn apply(&mut self, rule: &Rule, sources: &Sources) {
        let found = |name: &&str| self.settings.iter().find(|setting| setting.key.name == *name);
        let Some(settings) = rule.keys.iter().map(found).collect::<Option<Vec<_>>>() else {
            return;
        };
        let Some(first) = settings.first() else { return };
        if rule.only_if_set && first.origin == Origin::Default {
            return;
        }
        let is_secret = settings.iter().any(|setting| setting.origin.is_secret());
        let Some(value) = sources.value(first.key) else { return };
        let key = first.key;
        for fault in (rule.faults)(&self.draft) {
            let text = if is_secret { fault.plain.into() } else { fault.text };
            self.report(Problem::conflict(key, value, text));
        }
    }

    /// Items of a list may be wrong in the same way: once is enough.
    fn report(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// A required key that no source has.
fn missing(key: &Key) -> Problem {
    let mut ways: Vec<String> = Vec::new();
    ways.extend(key.flag.map(|flag| flag.name.to_owned()));
    ways.push(key.short_env.map_or_else(|| key.env_name(), str::to_owned));
    ways.push(format!("{} in [{}] of the settings file", key.leaf(), key.section()));
    let fault = format!("it must be set: use {}", ways.join(", or "));
    Problem::missing(key, fault)
}
