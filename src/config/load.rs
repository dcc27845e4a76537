//! Reads all sources of settings, checks them and makes the plan. All problems are reported together.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::plan::{ListenAddress, Plan};

use super::{
    aws,
    environment::{self, Environment},
    file, keys, otel,
    problem::{Problem, Problems},
    read::{Setting, read},
    sources::{SourceValue, Sources, ValueOrigin},
};

/// The arguments of the command line, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The settings file; takes precedence over `SIDEMAN_CONFIG`.
    pub config: Option<PathBuf>,
    /// Key and values of every given flag.
    pub values: Vec<(&'static str, Vec<String>)>,
    /// Values in place of defaults, which every other source overrides: key, value and source.
    pub defaults: Vec<(&'static str, String, ValueOrigin)>,
}

/// Settings without a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedSettings {
    pub plan: Plan,
    /// Every key in the order of the table, with its value and source.
    pub settings: Vec<Setting>,
}

/// The settings with which `healthcheck` finds the running process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthTarget {
    /// A listener for plain HTTP, if there is one; the IP may be unspecified. The first that needs no header of the
    /// PROXY protocol is preferred.
    pub listen: Option<ListenAddress>,
    /// Whether a connection to it must begin with a header of the PROXY protocol.
    pub has_proxy_header: bool,
    pub path: String,
}

/// Reads all sources and makes the plan.
pub fn load(flags: &Flags, environment: &Environment) -> Result<LoadedSettings, Problems> {
    let (sources, problems) = gather(flags, environment);
    let mut result = read(&sources, problems, |_| true);
    let traces = otel::traces(environment, &mut result.problems);
    result.problems.extend(aws::read(&mut result.draft, environment));
    match result.problems.is_empty() {
        true => {
            let plan = Plan { traces, ..result.draft.into_plan() };
            Ok(LoadedSettings { plan, settings: result.settings })
        }
        false => Err(Problems::new(result.problems)),
    }
}

/// Checks the text of a settings file, without other sources.
pub fn check_text(text: &str) -> Result<(), Problems> {
    let (mut sources, mut problems) = (Sources::defaults(), Vec::new());
    let origin = ValueOrigin::Flag { name: "--config" };
    file::apply_text(Path::new("settings"), text, &origin, &mut sources, &mut problems);
    match read(&sources, problems, |_| true).problems {
        problems if problems.is_empty() => Ok(()),
        problems => Err(Problems::new(problems)),
    }
}

/// Reads only the settings that a health check needs. It runs in the container of `run` but without its flags, so other
/// settings may be missing or invalid.
pub fn health_target(flags: &Flags, environment: &Environment) -> Result<HealthTarget, Problems> {
    let needed = &["server.listen", "server.proxy_protocol", "health.path"];
    let plan = only(needed, flags, environment)?;
    let server = plan.server;
    let is_proxied = |listen: &ListenAddress| server.proxy_protocol.contains(listen);
    let plain = server.listen.iter().find(|listen| !is_proxied(listen));
    let listen = plain.or(server.listen.first()).cloned();
    let has_proxy_header = listen.as_ref().is_some_and(is_proxied);
    Ok(HealthTarget { listen, has_proxy_header, path: plan.health.path })
}

/// Reads only the address of the admin listener, for commands that ask the running process. `None` if it is off.
pub fn admin_address(
    flags: &Flags,
    environment: &Environment,
) -> Result<Option<SocketAddr>, Problems> {
    Ok(only(&["admin.listen"], flags, environment)?.admin.listen)
}

/// Reads only these settings into a plan.
fn only(needed: &[&str], flags: &Flags, environment: &Environment) -> Result<Plan, Problems> {
    let (sources, problems) = gather(flags, environment);
    let is_needed = |problem: &Problem| match problem.key() {
        Some(key) => needed.contains(&key),
        None => true,
    };
    let problems = problems.into_iter().filter(is_needed).collect();
    let result = read(&sources, problems, |key| needed.contains(&key.name));
    match result.problems {
        problems if problems.is_empty() => Ok(result.draft.plan),
        problems => Err(Problems::new(problems)),
    }
}

/// Merges the sources: defaults, file, environment, flags.
fn gather(flags: &Flags, environment: &Environment) -> (Sources, Vec<Problem>) {
    let mut sources = Sources::defaults();
    let mut problems = Vec::new();
    for (name, value, origin) in &flags.defaults {
        if let Some(key) = keys::find(name) {
            let value = SourceValue { items: vec![value.clone()], origin: origin.clone() };
            sources.set(key, value);
        }
    }
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
                let fault = "internal error: no flag sets this key".into();
                problems.push(Problem::about(None, *name, fault));
            }
        }
    }
    (sources, problems)
}
