//! Settings from the environment: `SIDEMAN_SECTION__KEY`, the short names, and each with `_FILE`
//! behind it. The environment is passed in as a map; `environment` alone reads the process's own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use super::{
    keys::{KEYS, SettingKey},
    problem::Problem,
    sources::{SourceValue, Sources, ValueOrigin},
    suggest, text_file,
};

/// The variables of the environment.
pub type Environment = BTreeMap<OsString, OsString>;

/// The variable with the path of the settings file. It is no key, because a file cannot name itself.
const CONFIG: &str = "SIDEMAN_CONFIG";
const PREFIX: &str = "SIDEMAN_";
const FILE: &str = "_FILE";

/// What other programs call settings, and how they are called here.
const CALLED: [(&str, &str); 14] = [
    ("ADDRESS", "LISTEN"),
    ("BACKEND", "UPSTREAM"),
    ("BIND", "LISTEN"),
    ("HOST", "LISTEN"),
    ("HTTP_PORT", "LISTEN"),
    ("LISTEN_ADDRESS", "LISTEN"),
    ("LISTEN_HOST", "LISTEN"),
    ("LISTEN_PORT", "LISTEN"),
    ("MEDIA_ROOT", "MEDIA"),
    ("PORT", "LISTEN"),
    ("STATIC_ROOT", "STATIC"),
    ("TARGET", "UPSTREAM"),
    ("UPSTREAM_HOST", "UPSTREAM"),
    ("UPSTREAM_URL", "UPSTREAM"),
];

/// The names of all variables without `SIDEMAN_`, each with its setting. The path of the settings file has none.
static NAMES: LazyLock<Vec<(String, Option<&'static SettingKey>)>> = LazyLock::new(|| {
    let names = |key: &'static SettingKey| {
        let names = [Some(key.env_name()), key.short_env.map(str::to_owned)];
        names.into_iter().flatten().map(move |name| (name, Some(key)))
    };
    let all = KEYS.iter().flat_map(names).chain([(CONFIG.to_owned(), None)]);
    all.map(|(name, key)| (without_prefix(&name).to_owned(), key)).collect()
});

/// What the environment says, sorted by what it is about.
#[derive(Debug)]
pub(super) struct EnvironmentReadings<'a> {
    config: Vec<Variable<'a>>,
    keys: Vec<(&'static SettingKey, Vec<Variable<'a>>)>,
    /// Each with its value.
    unknown: Vec<(String, &'a OsStr)>,
}

/// A variable whose name means something.
#[derive(Clone, Copy, Debug)]
struct Variable<'a> {
    name: &'a str,
    value: &'a OsStr,
    /// Whether the value is the path of the file that holds the text.
    is_file: bool,
}

/// Reads the environment of this process.
#[expect(clippy::disallowed_methods, reason = "the one place that the others are told to use")]
pub fn environment() -> Environment {
    std::env::vars_os().collect()
}

/// Sorts the variables by the setting they are about. Those of other programs are left alone.
pub(super) fn sort(environment: &Environment) -> EnvironmentReadings<'_> {
    let mut readings = EnvironmentReadings {
        config: Vec::new(),
        keys: KEYS.iter().map(|key| (key, Vec::new())).collect(),
        unknown: Vec::new(),
    };
    for (name, value) in environment {
        let lossy = name.to_string_lossy();
        // In any case: `sideman_listen` is a slip, and silence would hide it.
        if !lossy.to_ascii_uppercase().starts_with(PREFIX) {
            continue;
        }
        let known = name.to_str().is_some_and(|name| readings.sort_one(name, value));
        if !known {
            readings.unknown.push((lossy.into_owned(), value.as_os_str()));
        }
    }
    readings
}

/// Splits a list as the environment and secrets write it.
fn split_list(text: &str, continues: fn(&str) -> bool) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for piece in text.split(',') {
        match items.last_mut() {
            Some(last) if continues(piece) => {
                last.push(',');
                last.push_str(piece);
            }
            _ => items.push(piece.to_owned()),
        }
    }
    items.iter().map(|item| item.trim().to_owned()).collect()
}

/// The name's kind of mistake and what to do about it, with the keys that were probably meant.
fn unknown(name: &str, value: &OsStr) -> (Problem, Vec<&'static SettingKey>) {
    let upper = name.to_ascii_uppercase();
    let (stem, suffix) = match upper.strip_suffix(FILE) {
        Some(stem) => (stem, FILE),
        None => (upper.as_str(), ""),
    };
    // The common beginning would make every name look alike.
    let stem = without_prefix(stem);
    let names = NAMES.iter().map(|(name, _)| name.as_str());
    let called = CALLED.iter().find(|(called, _)| *called == stem).map(|(_, known)| *known);
    let near = match called {
        Some(known) => vec![known],
        None => suggest::nearest(stem, names.clone(), "__"),
    };
    // LISTEN_PORT is LISTEN and more.
    let begins = |known: &&str| stem.strip_prefix(*known).is_some_and(|s| s.starts_with('_'));
    let near = match names.filter(begins).max_by_key(|known| known.len()) {
        Some(longest) if near.is_empty() => vec![longest],
        _ => near,
    };
    let meant = NAMES.iter().filter(|(name, _)| near.contains(&name.as_str()));
    let meant = meant.filter_map(|(_, key)| *key).collect();
    let near: Vec<String> = near.iter().map(|near| format!("{PREFIX}{near}{suffix}")).collect();

    let fault = if is_service_link(&upper, value) {
        "there is no such setting; if Kubernetes sets it for a Service called sideman, put \
         enableServiceLinks: false into the pod's spec"
            .into()
    } else if let Some(question) = suggest::question(&near) {
        format!("there is no such setting: {question}")
    } else {
        "there is no such setting: the names are SIDEMAN_SECTION__KEY, such as \
         SIDEMAN_UPSTREAM__READ_TIMEOUT"
            .into()
    };
    (Problem::about(None, name.escape_debug().to_string(), fault), meant)
}

fn without_prefix(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Whether the variable is one of those that Kubernetes gives every container for each Service: names of
/// two parts that nothing else ends with, or a `PORT` whose value is an address.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let value = value.to_string_lossy();
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|begin| value.starts_with(begin));
    let of_protocol = |(_, after): (&str, &str)| {
        let (port, rest) = after.split_once('_').unwrap_or((after, ""));
        port.parse::<u16>().is_ok()
            && ["TCP", "UDP", "SCTP"].iter().any(|one| rest.starts_with(one))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_address)
        || name.rsplit_once("_PORT_").is_some_and(of_protocol)
}

// === impl EnvironmentReadings ===

impl<'a> EnvironmentReadings<'a> {
    /// The path of the settings file and where it was named, if it was.
    pub(super) fn config(&self, problems: &mut Vec<Problem>) -> Option<(PathBuf, ValueOrigin)> {
        let variable = match self.config.as_slice() {
            [] => return None,
            [variable] => variable,
            [first, second, ..] => {
                problems.push(both(None, first, second));
                return None;
            }
        };
        // A path need not be UTF-8.
        if !variable.is_file && !variable.value.is_empty() {
            let origin = ValueOrigin::Environment { name: variable.name.into() };
            return Some((PathBuf::from(variable.value), origin));
        }
        match variable.text() {
            Ok((text, _)) if text.contains('\n') => {
                let fault = format!(
                    "the file must hold the path of the settings file: to name the settings file \
                     itself, use {CONFIG}"
                );
                problems.push(Problem::about(None, variable.shown(), fault));
                None
            }
            Ok((text, origin)) => Some((PathBuf::from(text), origin)),
            Err(fault) => {
                problems.push(Problem::about(None, variable.shown(), fault));
                None
            }
        }
    }

    /// Puts every value on top of those of lower sources.
    pub(super) fn apply(&self, sources: &mut Sources, problems: &mut Vec<Problem>) {
        for (name, value) in &self.unknown {
            let (problem, meant) = unknown(name, value);
            problems.push(problem);
            meant.iter().for_each(|key| sources.waive(key));
        }
        for (key, variables) in &self.keys {
            let read = match variables.as_slice() {
                [] => continue,
                [variable] => variable.text().map_err(|fault| {
                    Problem::about(Some(key), format!("{} ({})", key.name, variable.shown()), fault)
                }),
                [first, second, ..] => Err(both(Some(key), first, second)),
            };
            match read {
                Ok((text, origin)) => {
                    let items = match key.kind.is_list() {
                        true => split_list(&text, key.kind.properties().continues),
                        false => vec![text],
                    };
                    sources.set(key, SourceValue { items, origin });
                }
                Err(problem) => {
                    sources.discard(key);
                    problems.push(problem);
                }
            }
        }
    }

    /// Finds the place of one variable; an exact name goes before one with `_FILE` cut off.
    fn sort_one(&mut self, name: &'a str, value: &'a OsStr) -> bool {
        for (stem, is_file) in [(Some(name), false), (name.strip_suffix(FILE), true)] {
            let Some(stem) = stem else { continue };
            let variable = Variable { name, value, is_file };
            let Some(stem) = stem.strip_prefix(PREFIX) else { continue };
            let Some((_, key)) = NAMES.iter().find(|(known, _)| known == stem) else { continue };
            let mut keys = self.keys.iter_mut();
            match key.and_then(|key| keys.find(|(one, _)| std::ptr::eq(*one, key))) {
                Some((_, variables)) => variables.push(variable),
                None => self.config.push(variable),
            }
            return true;
        }
        false
    }
}

/// Two names for one thing: which of them is meant cannot be known.
fn both(key: Option<&SettingKey>, first: &Variable<'_>, second: &Variable<'_>) -> Problem {
    let what = key.map_or("the settings file", |key| key.name);
    let subject = format!("{what} ({} and {})", first.name, second.name);
    Problem::about(key, subject, "both are set: unset one of them".into())
}

// === impl Variable ===

impl Variable<'_> {
    /// The setting's text, read from its file if it names one.
    fn text(&self) -> Result<(String, ValueOrigin), String> {
        let name = self.name.to_owned();
        if self.value.is_empty() {
            return Err("it is set but empty: unset it, or give it a value".into());
        }
        if self.is_file {
            let path = Path::new(self.value);
            let shown = self.shown_path();
            let text = text_file::read(path, &shown)?;
            let text = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
            if text.is_empty() {
                return Err(format!("{shown} is empty: write the value into it"));
            }
            return Ok((text.to_owned(), ValueOrigin::SecretFile { name, path: path.into() }));
        }
        match self.value.to_str() {
            Some(text) => Ok((text.to_owned(), ValueOrigin::Environment { name })),
            None => Err("its value is not UTF-8 text".into()),
        }
    }

    fn shown(&self) -> String {
        match self.is_file && !self.value.is_empty() {
            true => format!("{}={}", self.name, self.shown_path()),
            false => self.name.to_owned(),
        }
    }

    /// The path of the file. Some write the secret itself where its path belongs: then it looks like none.
    fn shown_path(&self) -> String {
        let path = Path::new(self.value);
        let is_path = ["/", "./", "../"]
            .iter()
            .any(|begin| self.value.as_encoded_bytes().starts_with(begin.as_bytes()));
        match is_path || fs::metadata(path).is_ok() {
            true => text_file::shown(path).into_owned(),
            false => "(not shown: no absolute path)".into(),
        }
    }
}
