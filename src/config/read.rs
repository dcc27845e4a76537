//! Reads all settings of the table, one by one, then checks the constraints between them. It reports all problems in
//! one run; an invalid value never falls back to the default.

use std::{mem, sync::Arc};

use super::{
    constraints::{CONSTRAINTS, Constraint},
    draft::Draft,
    keys::{self, KEYS, ROUTE_KEYS, SettingId, SettingKey},
    problem::Problem,
    route_constraints::{self, ROUTE_CONSTRAINTS},
    route_draft::RouteDraft,
    sources::{Sources, ValueOrigin},
};

/// A setting in use, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub id: SettingId,
    /// The value; `(from file)` if it is a secret.
    pub text: String,
    pub origin: ValueOrigin,
}

/// The result of reading the settings.
#[derive(Debug)]
pub(super) struct SettingsReading {
    /// Invalid settings are blank in it.
    pub(super) draft: Draft,
    /// Valid settings, in the order of the table; those of routes follow.
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
}

/// Reads the wanted settings. `problems` are the problems of the sources themselves.
pub(super) fn read(
    sources: &Sources,
    problems: Vec<Problem>,
    is_wanted: impl Fn(&SettingKey) -> bool,
) -> SettingsReading {
    let mut result = SettingsReading { draft: Draft::default(), settings: Vec::new(), problems };
    for key in KEYS.iter().filter(|key| is_wanted(key)) {
        result.store(&key.into(), sources);
    }
    for route in sources.routes() {
        result.draft.route = RouteDraft::new(&route);
        let before = result.problems.len();
        for key in ROUTE_KEYS.iter().filter(|key| is_wanted(key)) {
            let id = SettingId { key, route: Some(Arc::clone(&route)) };
            if sources.value(&id).is_some() {
                result.store(&id, sources);
            }
        }
        let mut route = mem::take(&mut result.draft.route);
        route.has_fault = result.problems.len() > before;
        result.draft.routes.push(route);
    }
    for constraint in CONSTRAINTS {
        result.check(constraint, sources);
    }
    result.check_routes(sources);
    result
}

// === impl SettingsReading ===

impl SettingsReading {
    fn store(&mut self, id: &SettingId, sources: &Sources) {
        let Some(value) = sources.value(id) else {
            if !sources.is_waived(id) {
                self.problems.push(missing(id));
            }
            return;
        };
        match id.key.kind.store(&value.items, &mut self.draft) {
            Ok(text) => {
                let text = if value.origin.is_secret() { "(from file)".into() } else { text };
                self.settings.push(Setting { id: id.clone(), text, origin: value.origin.clone() });
            }
            Err(invalid) => {
                for one in invalid {
                    self.report(Problem::bad_value(id, &one, &value.origin));
                }
            }
        }
    }

    /// Reports the conflicts of a constraint, unless one of its settings is invalid.
    fn check(&mut self, constraint: &Constraint, sources: &Sources) {
        let found = |name: &&str| self.settings.iter().find(|setting| setting.id.key.name == *name);
        let Some(settings) = constraint.keys.iter().map(found).collect::<Option<Vec<_>>>() else {
            return;
        };
        let Some(first) = settings.first() else { return };
        if constraint.only_if_set && first.origin == ValueOrigin::Default {
            return;
        }
        let is_secret = settings.iter().any(|setting| setting.origin.is_secret());
        let Some(value) = sources.value(&first.id) else { return };
        let id = first.id.clone();
        for conflict in (constraint.conflicts)(&self.draft) {
            let text = if is_secret { conflict.plain.into() } else { conflict.text };
            self.report(Problem::conflict(&id, value, text));
        }
    }

    /// Reports the conflicts of routes, unless one of their settings is invalid.
    fn check_routes(&mut self, sources: &Sources) {
        for constraint in ROUTE_CONSTRAINTS {
            for index in 0..self.draft.routes.len() {
                let Some(route) = self.draft.routes.get(index) else { continue };
                let Some(id) = keys::find_of_route(constraint.leaf)
                    .map(|key| SettingId::of_route(key, &route.name))
                else {
                    continue;
                };
                // One that is invalid was reported.
                let is_valid = self.settings.iter().any(|setting| setting.id == id);
                let Some(value) = sources.value(&id).filter(|_| is_valid) else { continue };
                for conflict in (constraint.conflicts)(&self.draft, route) {
                    let is_secret = value.origin.is_secret();
                    let text = if is_secret { conflict.plain.into() } else { conflict.text };
                    self.report(Problem::conflict(&id, value, text));
                }
            }
        }
        if self.draft.routes.iter().any(RouteDraft::responds_to_everything) {
            // Nothing is left for the application.
            self.problems.retain(|problem| !problem.is_missing());
        }
        if self.problems.is_empty()
            && let Some((one, other)) = route_constraints::equal_routes(&self.draft.routes)
        {
            let fault = format!(
                "route.{other} matches the same requests, and none of the two is more specific: give them \
                 different hosts or paths, or merge them"
            );
            self.problems.push(Problem::about(None, format!("route.{one}"), fault));
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
fn missing(id: &SettingId) -> Problem {
    let key = id.key;
    let mut alternatives: Vec<String> = Vec::new();
    alternatives.extend(key.flag.map(|flag| flag.name.to_owned()));
    alternatives.push(key.short_env.map_or_else(|| key.env_name(), str::to_owned));
    alternatives.push(format!("{} in [{}] of the settings file", key.leaf(), key.section()));
    let fault = format!("must be set: use {}", alternatives.join(", or "));
    Problem::missing(id, fault)
}
