//! The settings from all their sources: read, checked, and made into a plan. All problems come out
//! together.

use std::path::PathBuf;

use crate::plan::{ListenAddress, Plan};

use super::{
    environment::{self, Environment},
    file, keys,
    problem::{Problem, Problems},
    read::{Setting, read},
    sources::{SourceValue, Sources, ValueOrigin},
};

/// What the command line says, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The settings file; wins over `SIDEMAN_CONFIG`.
    pub config: Option<PathBuf>,
    /// Key and values of every flag that was given.
    pub values: Vec<(&'static str, Vec<String>)>,
}

/// Settings without a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedSettings {
    pub plan: Plan,
    /// Every key in the order of the table, with its value and where it was set.
    pub settings: Vec<Setting>,
}

/// What `healthcheck` needs to find the running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthTarget {
    /// The first place where plain HTTP is spoken, if there is one; the IP may be unspecified.
    pub listen: Option<ListenAddress>,
    pub path: String,
}

/// Reads every source and makes the plan.
pub fn load(flags: &Flags, environment: &Environment) -> Result<LoadedSettings, Problems> {
    let (sources, problems) = gather(flags, environment);
    let reading = read(&sources, problems, |_| true);
    match reading.problems.is_empty() {
        true => Ok(LoadedSettings { plan: reading.draft.into_plan(), settings: reading.settings }),
        false => Err(Problems::new(reading.problems)),
    }
}

/// Reads only what a health check needs: it runs in the same container as `run`, but without its
/// flags, so that a setting it has no use for may be missing or wrong.
pub fn health_target(flags: &Flags, environment: &Environment) -> Result<HealthTarget, Problems> {
    const NEEDED: [&str; 2] = ["server.listen", "health.path"];
    let (sources, problems) = gather(flags, environment);
    let needed = |problem: &Problem| match problem.key() {
        Some(key) => NEEDED.contains(&key),
        None => true,
    };
    let problems = problems.into_iter().filter(needed).collect();
    let reading = read(&sources, problems, |key| NEEDED.contains(&key.name));
    if !reading.problems.is_empty() {
        return Err(Problems::new(reading.problems));
    }
    let plan = reading.draft.plan;
    Ok(HealthTarget { listen: plan.server.listen.into_iter().next(), path: plan.health.path })
}

/// The sources on top of each other: defaults, file, environment, flags.
fn gather(flags: &Flags, environment: &Environment) -> (Sources, Vec<Problem>) {
    let mut sources = Sources::defaults();
    let mut problems = Vec::new();
    let variables = environment::sort(environment);

    let config = match &flags.config {
        Some(path) => Some((path.clone(), ValueOrigin::Flag { name: "--config" })),
        None => {
            let before = problems.len();
            let config = variables.config(&mut problems);
            if problems.len() > before {
                sources.discard_all();
            }
            config
        }
    };
    if let Some((path, origin)) = config {
        file::apply(&path, &origin, &mut sources, &mut problems);
    }
    variables.apply(&mut sources, &mut problems);
    for (name, items) in &flags.values {
        match keys::find(name).and_then(|key| Some((key, key.flag?))) {
            Some((key, flag)) => {
                let origin = ValueOrigin::Flag { name: flag.name };
                sources.set(key, SourceValue { items: items.clone(), origin });
            }
            None => {
                let fault = "this is a mistake in sideman itself: no flag sets this key".into();
                problems.push(Problem::about(None, *name, fault));
            }
        }
    }
    (sources, problems)
}
