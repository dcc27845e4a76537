//! The settings of Sideman in a container, read by the loader of `run`, as far as the file has them.

use clap::{Parser as _, error::ErrorKind};

use crate::{
    command::args::{Cli, Command},
    config::{self, Environment, Flags, KEYS, LoadedSettings, ValueOrigin},
    plan::Plan,
};

use super::{
    expand::UNKNOWN,
    facts::{Container, DeploymentKind},
    sideman_command::{self, SidemanCommand, last_part},
};

const PREFIX: &str = "SIDEMAN_";
const CONFIG: &str = "SIDEMAN_CONFIG";
/// An address in place of one that is not in the file.
const PLACEHOLDER: (&str, &str) = ("SIDEMAN_UPSTREAM", "http://127.0.0.1:8000");
/// A region in place of one that is not in the file.
const REGION: (&str, &str) = ("AWS_REGION", "us-east-1");
/// Variables for all programs, which Sideman reads too.
const AWS: &str = "AWS_";
const OTEL: &str = "OTEL_";

/// The settings in a container.
#[derive(Debug, Default)]
pub(super) struct ContainerSettings {
    loaded: Option<LoadedSettings>,
    /// Settings whose values are not in the file.
    hidden: Vec<&'static str>,
    /// Whether a setting that is not in the file has its default.
    is_complete: bool,
    /// Whether Sideman starts the application in its own container.
    pub(super) is_exec: bool,
    /// The faults of the settings.
    pub(super) problems: Vec<String>,
}

/// The arguments of the program in a container.
enum Arguments {
    /// Those of the image, or of a script.
    Unknown,
    /// Those of Django's command, which starts the application too.
    Django,
    Known(Vec<String>),
}

// === impl ContainerSettings ===

impl ContainerSettings {
    pub(super) fn read(container: &Container, kind: DeploymentKind) -> Self {
        let mut settings = Self { is_complete: !container.has_more_variables, ..Self::default() };
        let mut flags = Flags::default();
        match arguments(container) {
            Arguments::Unknown => settings.is_complete = false,
            Arguments::Django => (settings.is_complete, settings.is_exec) = (false, true),
            Arguments::Known(arguments) => match parse(&arguments) {
                Ok(Some((given, is_exec))) => (flags, settings.is_exec) = (given, is_exec),
                // Another command, such as `check`.
                Ok(None) => return settings,
                Err(problem) => {
                    let is_known = !arguments.iter().any(|word| word.contains(UNKNOWN));
                    settings.problems.extend(Some(problem).filter(|_| is_known));
                    return settings;
                }
            },
        }
        let is_unknown = |items: &[String]| items.iter().any(|item| item.contains(UNKNOWN));
        let unknown = flags.values.iter().filter(|(_, items)| is_unknown(items));
        settings.hidden.extend(unknown.map(|(key, _)| *key));
        flags.values.retain(|(_, items)| !is_unknown(items));
        let mut environment = Environment::new();
        for (name, value) in &container.variables {
            if !name.to_ascii_uppercase().starts_with(PREFIX) {
                continue;
            }
            if let Some(problem) = unknown_name(name) {
                settings.problems.push(problem);
                // The setting that is meant has another value than its default.
                settings.is_complete = false;
                continue;
            }
            match value {
                Some(value) if !name.ends_with("_FILE") && name != CONFIG => {
                    environment.insert(name.into(), value.into());
                }
                Some(_) | None => settings.hidden.extend(key_of(name)),
            }
        }
        let knows_aws = add_family(AWS, container, &mut environment);
        add_family(OTEL, container, &mut environment);
        let has_file = flags.config.take().is_some() || container.variables.contains_key(CONFIG);
        settings.is_complete &= !has_file;
        let is_given = |key: &str| flags.values.iter().any(|(name, _)| *name == key);
        let is_set =
            environment.keys().any(|name| key_of(&name.to_string_lossy()) == Some("upstream.url"));
        if !is_set && !is_given("upstream.url") && (settings.is_exec || !settings.knows_all()) {
            environment.insert(PLACEHOLDER.0.into(), PLACEHOLDER.1.into());
            settings.hidden.push("upstream.url");
        }
        let may_have_region = !knows_aws
            || kind != DeploymentKind::Compose
            || !settings.is_complete
            || !container.has_own_image();
        if may_have_region {
            environment.entry(REGION.0.into()).or_insert_with(|| REGION.1.into());
        }
        match config::load(&flags, &environment) {
            // Another file may override what is not set here.
            Ok(loaded) => settings.loaded = Some(loaded),
            Err(problems) => {
                let knows_all = settings.knows_all();
                let certain = problems.iter().filter(|problem| knows_all || !problem.is_conflict());
                settings.problems.extend(certain.map(|problem| one_line(&problem.to_string())));
            }
        }
        settings
    }

    /// Returns the plan, if it has the values that these settings have in the container.
    pub(super) fn plan(&self, keys: &[&str]) -> Option<&Plan> {
        let loaded = self.loaded.as_ref()?;
        keys.iter().all(|key| self.knows(loaded, key)).then_some(&loaded.plan)
    }

    fn knows_all(&self) -> bool {
        self.is_complete && self.hidden.is_empty()
    }

    fn knows(&self, loaded: &LoadedSettings, key: &str) -> bool {
        let is_set = || {
            let found = loaded.settings.iter().find(|setting| setting.id.to_string() == key);
            found.is_some_and(|setting| setting.origin != ValueOrigin::Default)
        };
        !self.hidden.contains(&key) && (self.is_complete || is_set())
    }
}

/// Adds the variables with a prefix. They depend on each other, so they count only if the file has all their values;
/// returns whether it has.
fn add_family(prefix: &str, container: &Container, environment: &mut Environment) -> bool {
    let all = || container.variables.iter().filter(|(name, _)| name.starts_with(prefix));
    if container.has_more_variables || all().any(|(_, value)| value.is_none()) {
        return false;
    }
    let known = all().filter_map(|(name, value)| Some((name.into(), value.as_ref()?.into())));
    environment.extend(known);
    true
}

/// Returns the arguments of the program. The image of Sideman runs it with `run`.
fn arguments(container: &Container) -> Arguments {
    if container.inherits {
        return Arguments::Unknown;
    }
    let words = container.words();
    let is_in_image = container.entry_point.is_empty()
        && !container.has_no_entry_point
        && container.is_named_sideman()
        && !container.is_built;
    match sideman_command::find(&words) {
        Some(SidemanCommand::Django) => Arguments::Django,
        // An image with an application may start Sideman in another way than its own image.
        Some(SidemanCommand::Program(arguments))
            if !is_in_image || arguments.first().is_some_and(|first| first == "exec") =>
        {
            Arguments::Known(arguments.to_vec())
        }
        _ if is_in_image && words.is_empty() => Arguments::Known(vec!["run".into()]),
        _ if is_in_image => Arguments::Known(words),
        _ => Arguments::Unknown,
    }
}

/// Returns the flags of `run` or `exec`, and whether it is `exec`; `None` for other commands.
fn parse(arguments: &[String]) -> Result<Option<(Flags, bool)>, String> {
    match arguments.first().map(|first| last_part(first)) {
        None => return Err("the container has no arguments: set its command to run".into()),
        Some("sideman") => {
            return Err("the image starts /sideman itself: begin the command with run".into());
        }
        Some(_) => {}
    }
    let words = ["sideman".to_owned()].into_iter().chain(arguments.iter().cloned());
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Some(Command::Run(settings)), .. }) => {
            Ok(Some((settings.flags(), false)))
        }
        Ok(Cli { command: Some(Command::Exec(exec)), .. }) => {
            Ok(Some((exec.settings.flags(), true)))
        }
        Ok(_) => Ok(None),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(None)
        }
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Err(config::masked(&flags_only(line)).into_owned())
        }
    }
}

/// Hides what a message quotes, except for the name of a flag: an argument may be a password.
fn flags_only(message: &str) -> String {
    let quoted = message.split_once('\'').and_then(|(before, rest)| {
        let (inner, after) = rest.rsplit_once('\'')?;
        let end = inner.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(inner.len());
        let name = inner.get(..end).filter(|name| name.starts_with("--"));
        Some(format!("{before}{}{after}", name.unwrap_or("(not shown)")))
    });
    quoted.unwrap_or_else(|| message.to_owned())
}

/// Returns what is wrong with the name of a variable.
fn unknown_name(name: &str) -> Option<String> {
    if key_of(name).is_some() || [CONFIG, "SIDEMAN_CONFIG_FILE"].contains(&name) {
        return None;
    }
    let environment = [(name.into(), "x".into())].into_iter().collect();
    let problems = config::load(&Flags::default(), &environment).err()?;
    let problem = problems.iter().find(|problem| problem.key().is_none())?;
    Some(one_line(&problem.to_string()))
}

/// Returns the setting that a variable sets, except for those of routes.
fn key_of(name: &str) -> Option<&'static str> {
    let is_it = |name: &str| {
        KEYS.iter().find(|key| {
            let long = format!("{PREFIX}{}", key.name.replace('.', "__").to_ascii_uppercase());
            key.short_env == Some(name) || long == name
        })
    };
    let key = is_it(name).or_else(|| is_it(name.strip_suffix("_FILE")?))?;
    Some(key.name)
}

/// Joins the lines of a problem: the subject, the fault, and what is expected.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    match lines.split_first() {
        Some((subject, rest)) => format!("{subject}: {}", rest.join("; ")),
        None => String::new(),
    }
}
