//! The settings of Sideman in a container, read by the loader of `run`, as far as the file has them.

use clap::Parser as _;

use crate::{
    command::args::{Cli, Command},
    config::{self, Environment, Flags, KEYS, LoadedSettings, ValueOrigin},
    plan::Plan,
};

use super::facts::Container;

const PREFIX: &str = "SIDEMAN_";
const CONFIG: &str = "SIDEMAN_CONFIG";
/// An address in place of one that is not in the file.
const PLACEHOLDER: (&str, &str) = ("SIDEMAN_UPSTREAM", "http://127.0.0.1:8000");

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
    /// Those of the image.
    Unknown,
    Known(Vec<String>),
}

// === impl ContainerSettings ===

impl ContainerSettings {
    pub(super) fn read(container: &Container) -> Self {
        let mut settings = Self { is_complete: !container.has_more_variables, ..Self::default() };
        let mut flags = Flags::default();
        match arguments(container) {
            Arguments::Unknown => settings.is_complete = false,
            Arguments::Known(arguments) => match parse(&arguments) {
                Ok(Some((given, is_exec))) => (flags, settings.is_exec) = (given, is_exec),
                // Another command, such as `check`.
                Ok(None) => return settings,
                Err(problem) => {
                    settings.problems.push(problem);
                    return settings;
                }
            },
        }
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
        let has_file = flags.config.take().is_some() || container.variables.contains_key(CONFIG);
        settings.is_complete &= !has_file;
        let is_given = |key: &str| flags.values.iter().any(|(name, _)| *name == key);
        let is_set =
            environment.keys().any(|name| key_of(&name.to_string_lossy()) == Some("upstream.url"));
        if !is_set && !is_given("upstream.url") && (settings.is_exec || !settings.knows_all()) {
            environment.insert(PLACEHOLDER.0.into(), PLACEHOLDER.1.into());
            settings.hidden.push("upstream.url");
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

/// Returns the arguments of the program. The image of Sideman runs it with `run`.
fn arguments(container: &Container) -> Arguments {
    let words = container.words();
    let is_program = |word: &String| word.rsplit('/').next() == Some("sideman");
    if let Some(at) = words.iter().position(is_program) {
        return Arguments::Known(words.get(at + 1..).unwrap_or_default().to_vec());
    }
    match (container.entry_point.is_empty() && container.has_own_image(), words.is_empty()) {
        (true, true) => Arguments::Known(vec!["run".into()]),
        (true, false) => Arguments::Known(words),
        (false, _) => Arguments::Unknown,
    }
}

/// Returns the flags of `run` or `exec`, and whether it is `exec`; `None` for other commands.
fn parse(arguments: &[String]) -> Result<Option<(Flags, bool)>, String> {
    let words = ["sideman".to_owned()].into_iter().chain(arguments.iter().cloned());
    match Cli::try_parse_from(words) {
        Ok(Cli { command: Some(Command::Run(settings)), .. }) => {
            Ok(Some((settings.flags(), false)))
        }
        Ok(Cli { command: Some(Command::Exec(exec)), .. }) => {
            Ok(Some((exec.settings.flags(), true)))
        }
        Ok(_) => Ok(None),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Err(config::masked(line.trim_start_matches("error: ")).into_owned())
        }
    }
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
