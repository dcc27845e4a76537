//! Reads all settings of the table, one by one, then checks the constraints between them. It reports all problems in one
//! run; an invalid value never falls back to the default.

use super::{
    constraints::{CONSTRAINTS, Constraint},
    draft::Draft,
    keys::{KEYS, SettingKey},
    problem::Problem,
    sources::{Sources, ValueOrigin},
};

/// A setting in use, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static SettingKey,
    /// The value; `(from file)` if it is a secret.
    pub text: String,
    pub origin: ValueOrigin,
}

/// The result of reading the settings.
#[derive(Debug)]
pub(super) struct SettingsReading {
    /// Invalid settings are blank in it.
    pub(super) draft: Draft,
    /// Valid settings, in the order of the table.
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the wanted settings. `problems` are the problems of the sources themselves.
pub(super) fn read(
    sources: &Sources,
    problems: Vec<Problem>,
    is_wanted: impl Fn(&SettingKey) -> bool,
) -> SettingsReading {
    let mut reading = SettingsReading { draft: Draft::default(), settings: Vec::new(), problems };
    for key in KEYS.iter().filter(|key| is_wanted(key)) {
        reading.store(key, sources);
    }
    for constraint in CONSTRAINTS {
        reading.check(constraint, sources);
    }
    reading
}

// === impl SettingsReading ===

impl SettingsReading {
    fn store(&mut self, key: &'static SettingKey, sources: &Sources) {
        let Some(value) = sources.value(key) else {
            if !sources.is_waived(key) {
                self.problems.push(missing(key));
            }
            return;
        };
        match key.kind.store(&value.items, &mut self.draft) {
            Ok(text) => {
                let text = if value.origin.is_secret() { "(from file)".into() } else { text };
                self.settings.push(Setting { key, text, origin: value.origin.clone() });
            }
            Err(invalid) => {
                for one in invalid {
                    self.report(Problem::bad_value(key, &one, &value.origin));
                }
            }
        }
    }

    /// Reports the conflicts of a constraint, unless one of its settings is invalid.
    fn check(&mut self, constraint: &Constraint, sources: &Sources) {
        let found = |name: &&str| self.settings.iter().find(|setting| setting.key.name == *name);
        let Some(settings) = constraint.keys.iter().map(found).collect::<Option<Vec<_>>>() else {
            return;
        };
        let Some(first) = settings.first() else { return };
        if constraint.only_if_set && first.origin == ValueOrigin::Default {
            return;
        }
        let is_secret = settings.iter().any(|setting| setting.origin.is_secret());
        let Some(value) = sources.value(first.key) else { return };
        let key = first.key;
        for conflict in (constraint.conflicts)(&self.draft) {
            let text = if is_secret { conflict.plain.into() } else { conflict.text };
            self.report(Problem::conflict(key, value, text));
        }
    }

    /// Reports equal problems of several list items only once.
    fn report(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Reports a required key that no source has.
fn missing(key: &SettingKey) -> Problem {
    let mut ways: Vec<String> = Vec::new();
    ways.extend(key.flag.map(|flag| flag.name.to_owned()));
    ways.push(key.short_env.map_or_else(|| key.env_name(), str::to_owned));
    ways.push(format!("{} in [{}] of the settings file", key.leaf(), key.section()));
    let fault = format!("must be set: use {}", ways.join(", or "));
    Problem::missing(key, fault)
}
