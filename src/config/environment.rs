//! Settings from the environment: `SIDEMAN_SECTION__KEY`, the short names, and each name with the suffix `_FILE`. The
//! environment is passed in as a map; only `environment` reads the process's own.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use super::{
    keys::{self, KEYS, ROUTE_KEYS, SettingId, SettingKey},
    problem::Problem,
    route_draft,
    sources::{SourceValue, Sources, ValueOrigin},
    suggest, text_file,
};

/// The environment's variables.
pub type Environment = BTreeMap<OsString, OsString>;

/// The variable with the path of the settings file. It is not a setting, because a file cannot name itself.
const CONFIG: &str = "SIDEMAN_CONFIG";
const PREFIX: &str = "SIDEMAN_";
const FILE: &str = "_FILE";
/// The beginning of the names of settings of routes, without [`PREFIX`].
const ROUTE: &str = "ROUTE__";

/// Names of settings in other programs, each with Sideman's name.
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

/// The names of all variables without `SIDEMAN_`, each with its setting. The path of the settings file has no setting.
static NAMES: LazyLock<Vec<(String, Option<&'static SettingKey>)>> = LazyLock::new(|| {
    let names = |key: &'static SettingKey| {
        let names = [Some(key.env_name()), key.short_env.map(str::to_owned)];
        names.into_iter().flatten().map(move |name| (name, Some(key)))
    };
    let all = KEYS.iter().flat_map(names).chain([(CONFIG.to_owned(), None)]);
    all.map(|(name, key)| (without_prefix(&name).to_owned(), key)).collect()
});

/// The environment's variables, grouped by purpose.
#[derive(Debug)]
pub(super) struct EnvironmentReadings<'a> {
    config: Vec<Variable<'a>>,
    settings: Vec<(SettingId, Vec<Variable<'a>>)>,
    /// Variables with their values.
    unknown: Vec<(String, &'a OsStr)>,
}

/// A variable that names a setting.
#[derive(Clone, Copy, Debug)]
struct Variable<'a> {
    name: &'a str,
    value: &'a OsStr,
    /// Whether the value is the path of a file that contains the text.
    is_file: bool,
}

/// Reads the environment of this process.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment() -> Environment {
    std::env::vars_os().collect()
}

/// Groups the variables by the setting that they name. Variables of other programs are ignored.
pub(super) fn sort(environment: &Environment) -> EnvironmentReadings<'_> {
    let mut variables = EnvironmentReadings {
        config: Vec::new(),
        settings: KEYS.iter().map(|key| (key.into(), Vec::new())).collect(),
        unknown: Vec::new(),
    };
    for (name, value) in environment {
        let lossy = name.to_string_lossy();
        // Names are compared without case: `sideman_listen` is a mistake that must be reported.
        if !lossy.to_ascii_uppercase().starts_with(PREFIX) {
            continue;
        }
        let known = name.to_str().is_some_and(|name| variables.sort_one(name, value));
        if !known {
            variables.unknown.push((lossy.into_owned(), value.as_os_str()));
        }
    }
    variables
}

/// Splits a list in the form that the environment and secrets use.
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

/// Returns the kind of mistake in a name and its remedy, with the keys that were probably meant.
fn unknown(name: &str, value: &OsStr) -> (Problem, Vec<&'static SettingKey>) {
    let upper = name.to_ascii_uppercase();
    let (stem, suffix) = match upper.strip_suffix(FILE) {
        Some(stem) => (stem, FILE),
        None => (upper.as_str(), ""),
    };
    // The common prefix would make all names look similar.
    let stem = without_prefix(stem);
    if let Some(fault) = unknown_of_route(stem) {
        return (Problem::about(None, name.escape_debug().to_string(), fault), Vec::new());
    }
    let names = NAMES.iter().map(|(name, _)| name.as_str());
    let called = CALLED.iter().find(|(called, _)| *called == stem).map(|(_, known)| *known);
    let near = match called {
        Some(known) => vec![known],
        None => suggest::nearest(stem, names.clone(), "__"),
    };
    // LISTEN_PORT begins with LISTEN.
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
    } else if let Some(did_you_mean) = suggest::did_you_mean(&near) {
        format!("there is no such setting: {did_you_mean}")
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

/// Returns whether the variable is one of those that Kubernetes sets in every container for each Service. Their names
/// have two parts with known endings, or end with `PORT` and have an address as value.
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
    /// Returns the path of the settings file and the source that named it.
    pub(super) fn config(&self, problems: &mut Vec<Problem>) -> Option<(PathBuf, ValueOrigin)> {
        let variable = match self.config.as_slice() {
            [] => return None,
            [variable] => variable,
            [first, second, ..] => {
                problems.push(both(None, first, second));
                return None;
            }
        };
        // A path may be other than UTF-8.
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

    /// Overrides the values of lower sources.
    pub(super) fn apply(&self, sources: &mut Sources, problems: &mut Vec<Problem>) {
        for (name, value) in &self.unknown {
            let (problem, meant) = unknown(name, value);
            problems.push(problem);
            meant.iter().for_each(|key| sources.waive(*key));
        }
        for (id, variables) in &self.settings {
            let read = match variables.as_slice() {
                [] => continue,
                [variable] => variable.text().map_err(|fault| {
                    Problem::about(Some(id.key), format!("{id} ({})", variable.shown()), fault)
                }),
                [first, second, ..] => Err(both(Some(id), first, second)),
            };
            match read {
                Ok((text, origin)) => {
                    let kind = id.key.kind;
                    let items = match kind.is_list() {
                        true => split_list(&text, kind.properties().continues),
                        false => vec![text],
                    };
                    sources.set(id.clone(), SourceValue { items, origin });
                }
                Err(problem) => {
                    sources.discard(id.clone());
                    problems.push(problem);
                }
            }
        }
    }

    /// Finds the setting of one variable. An exact name takes precedence over one with `_FILE` removed.
    fn sort_one(&mut self, name: &'a str, value: &'a OsStr) -> bool {
        for (stem, is_file) in [(Some(name), false), (name.strip_suffix(FILE), true)] {
            let Some(stem) = stem else { continue };
            let variable = Variable { name, value, is_file };
            let Some(stem) = stem.strip_prefix(PREFIX) else { continue };
            let id = match NAMES.iter().find(|(known, _)| known == stem) {
                Some((_, None)) => {
                    self.config.push(variable);
                    return true;
                }
                Some((_, Some(key))) => SettingId::from(*key),
                None => match of_route(stem) {
                    Some(id) => id,
                    None => continue,
                },
            };
            match self.settings.iter_mut().find(|(known, _)| *known == id) {
                Some((_, variables)) => variables.push(variable),
                None => self.settings.push((id, vec![variable])),
            }
            return true;
        }
        false
    }
}

/// Returns the setting of a route that a variable names, without its prefix: `ROUTE__API__PATH`.
fn of_route(stem: &str) -> Option<SettingId> {
    let (route, leaf) = stem.strip_prefix(ROUTE)?.rsplit_once("__")?;
    if stem != stem.to_ascii_uppercase() {
        return None;
    }
    let (route, leaf) = (route.to_ascii_lowercase(), leaf.to_ascii_lowercase());
    route_draft::check_name(&route).ok()?;
    Some(SettingId::of_route(keys::find_of_route(&leaf)?, &route))
}

/// Returns the remedy for a variable that begins like one of a route, but names none.
fn unknown_of_route(stem: &str) -> Option<String> {
    let rest = stem.strip_prefix(ROUTE)?;
    let Some((route, leaf)) = rest.rsplit_once("__") else {
        return Some("there is no such setting: the names are SIDEMAN_ROUTE__NAME__KEY".into());
    };
    if let Err(fault) = route_draft::check_name(&route.to_ascii_lowercase()) {
        return Some(format!("in the name of the route: {fault}"));
    }
    let leaves = || ROUTE_KEYS.iter().map(SettingKey::leaf);
    let near = suggest::nearest(leaf, leaves(), "");
    let named = |leaf: &&str| format!("{PREFIX}{ROUTE}{route}__{}", leaf.to_ascii_uppercase());
    let near: Vec<String> = near.iter().map(named).collect();
    let hint = suggest::did_you_mean(&near).unwrap_or_else(|| {
        format!("the keys of a route are {}", leaves().collect::<Vec<_>>().join(", "))
    });
    Some(format!("there is no such setting: {hint}"))
}

/// Reports two names for one setting, because the intended one is unknown.
fn both(id: Option<&SettingId>, first: &Variable<'_>, second: &Variable<'_>) -> Problem {
    let what = id.map_or("the settings file".to_owned(), SettingId::to_string);
    let subject = format!("{what} ({} and {})", first.name, second.name);
    Problem::about(id.map(|id| id.key), subject, "both are set: unset one of them".into())
}

// === impl Variable ===

impl Variable<'_> {
    /// Returns the setting's text, read from its file if the variable names one.
    fn text(&self) -> Result<(String, ValueOrigin), String> {
        let name = self.name.to_owned();
        if self.value.is_empty() {
            return Err("is set but empty: unset it, or give it a value".into());
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

    /// Returns the path of the file for a message. A value that is not an absolute path may be the secret itself, and
    /// is hidden.
    fn shown_path(&self) -> String {
        let path = Path::new(self.value);
        let is_path = ["/", "./", "../"]
            .iter()
            .any(|begin| self.value.as_encoded_bytes().starts_with(begin.as_bytes()));
        match is_path || fs::metadata(path).is_ok() {
            true => text_file::shown(path).into_owned(),
            false => "(not shown: not an absolute path)".into(),
        }
    }
}
