//! Settings from the TOML file, each with its line number.

use std::{borrow::Cow, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    format::TomlType,
    keys::{self, KEYS, ROUTE_KEYS, ROUTE_SECTION, SECTIONS, SettingId, SettingKey},
    problem::Problem,
    route_draft, secret,
    sources::{SourceValue, Sources, ValueOrigin},
    suggest, text_file,
};

/// A settings file while it is read. Problems are sorted by line at the end.
struct SettingsFile<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<(usize, Problem)>,
}

/// Overrides the defaults with the values of the file. `named_by` is the source of the path.
pub(super) fn apply(
    path: &Path,
    named_by: &ValueOrigin,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) {
    // The path may be a secret itself: `SIDEMAN_CONFIG_FILE` can name the wrong file.
    let shown = match named_by.is_secret() {
        true => Cow::Borrowed("the file"),
        false => text_file::shown(path),
    };
    let text = match text_file::read(path, &shown) {
        Ok(text) => text,
        Err(fault) => {
            // The content is unknown, so missing settings must not be reported.
            sources.discard_all();
            problems.push(Problem::about(None, format!("the settings file ({named_by})"), fault));
            return;
        }
    };
    apply_text(path, &text, named_by, sources, problems);
}

/// Reads the text of a settings file.
pub(super) fn apply_text(
    path: &Path,
    text: &str,
    named_by: &ValueOrigin,
    sources: &mut Sources,
    problems: &mut Vec<Problem>,
) {
    if text.contains("-----BEGIN ") {
        sources.discard_all();
        let fault = "this is a key or a certificate, not a settings file: name the right file";
        problems.push(Problem::about(
            None,
            format!("the settings file ({named_by})"),
            fault.into(),
        ));
        return;
    }
    let mut file = SettingsFile { path, text, problems: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => file.sections(table.get_ref(), sources),
        Err(error) => {
            sources.discard_all();
            let line = error.span().map_or(1, |span| file.line(&span));
            let subject = format!("{}:{line}", path.display());
            let fault = format!("this is not valid TOML: {}", secret::masked(error.message()));
            file.problems.push((line, Problem::about(None, subject, fault)));
        }
    }
    file.problems.sort_by_key(|(line, _)| *line);
    problems.extend(file.problems.into_iter().map(|(_, problem)| problem));
}

// === impl SettingsFile ===

impl SettingsFile<'_> {
    fn sections(&mut self, table: &DeTable<'_>, sources: &mut Sources) {
        for (name, value) in table {
            let section: &str = name.get_ref();
            let known = SECTIONS.iter().any(|(known, _)| *known == section);
            if section == ROUTE_SECTION.0 {
                self.routes(value, sources);
                continue;
            }
            match value.get_ref().as_table() {
                Some(keys) if known => self.keys(section, keys, sources),
                Some(keys) => self.unknown_section(section, &name.span(), keys, sources),
                None if known => {
                    let fault = format!("this is a table: write [{section}], and its keys below");
                    self.report(None, section, &name.span(), fault);
                }
                None => self.unknown_key(section, &name.span(), sources),
            }
        }
    }

    fn keys(&mut self, section: &str, table: &DeTable<'_>, sources: &mut Sources) {
        for (leaf, value) in table {
            let name = format!("{section}.{}", leaf.get_ref());
            let Some(key) = keys::find(&name) else {
                self.unknown_key(&name, &leaf.span(), sources);
                continue;
            };
            self.value(key.into(), &leaf.span(), value, sources);
        }
    }

    /// Reads the tables `[route.NAME]`.
    fn routes(&mut self, value: &Spanned<DeValue<'_>>, sources: &mut Sources) {
        let Some(routes) = value.get_ref().as_table() else {
            let fault = "this is a table: write [route.NAME], and its keys below".into();
            return self.report(None, ROUTE_SECTION.0, &value.span(), fault);
        };
        for (name, value) in routes {
            let route: &str = name.get_ref();
            let full = format!("{}.{route}", ROUTE_SECTION.0);
            if let Err(fault) = route_draft::check_name(route) {
                self.report(
                    None,
                    &full,
                    &name.span(),
                    format!("in the name of the route: {fault}"),
                );
                continue;
            }
            let Some(keys) = value.get_ref().as_table() else {
                let fault = match keys::find_of_route(route) {
                    Some(_) => format!(
                        "the name of the route is missing: write [route.NAME], and {route} below"
                    ),
                    None => format!("this is a table: write [{full}], and its keys below"),
                };
                self.report(None, &full, &name.span(), fault);
                continue;
            };
            for (leaf, value) in keys {
                match keys::find_of_route(leaf.get_ref()) {
                    Some(key) => {
                        let id = SettingId::of_route(key, route);
                        self.value(id, &leaf.span(), value, sources);
                    }
                    None => self.unknown_route_key(&full, leaf),
                }
            }
        }
    }

    fn value(
        &mut self,
        id: SettingId,
        span: &Range<usize>,
        value: &Spanned<DeValue<'_>>,
        sources: &mut Sources,
    ) {
        let line = self.line(span);
        let origin = ValueOrigin::File { path: self.path.into(), line };
        match items(id.key, value) {
            Ok(items) => sources.set(id, SourceValue { items, origin }),
            Err(fault) => {
                let shown = match value.get_ref().is_table() {
                    true => "{...}".into(),
                    false => self.excerpt(&value.span()),
                };
                self.problems.push((line, Problem::bad_excerpt(&id, &shown, &origin, &fault)));
                sources.discard(id);
            }
        }
    }

    fn unknown_route_key(&mut self, route: &str, leaf: &Spanned<Cow<'_, str>>) {
        let leaves = || ROUTE_KEYS.iter().map(SettingKey::leaf);
        let near: Vec<String> = suggest::nearest(leaf.get_ref(), leaves(), "")
            .iter()
            .map(|near| format!("{route}.{near}"))
            .collect();
        let hint = suggest::did_you_mean(&near).unwrap_or_else(|| {
            format!("the keys of a route are {}", leaves().collect::<Vec<_>>().join(", "))
        });
        let name = format!("{route}.{}", leaf.get_ref());
        self.report(None, &name, &leaf.span(), format!("there is no such key: {hint}"));
    }

    fn unknown_section(
        &mut self,
        section: &str,
        span: &Range<usize>,
        table: &DeTable<'_>,
        sources: &mut Sources,
    ) {
        let sections = || SECTIONS.iter().chain([&ROUTE_SECTION]).map(|(name, _)| *name);
        let near = suggest::nearest(section, sections(), "");
        for near in &near {
            let names = table.keys().map(|leaf| format!("{near}.{}", leaf.get_ref()));
            names.filter_map(|name| keys::find(&name)).for_each(|key| sources.waive(key));
        }
        let near: Vec<String> = near.iter().map(|name| format!("[{name}]")).collect();
        let hint = suggest::did_you_mean(&near).unwrap_or_else(|| {
            let names: Vec<_> = sections().map(|name| format!("[{name}]")).collect();
            format!("the tables are {}", names.join(", "))
        });
        self.report(None, &format!("[{section}]"), span, format!("there is no such table: {hint}"));
    }

    fn unknown_key(&mut self, name: &str, span: &Range<usize>, sources: &mut Sources) {
        let near = suggest::nearest(name, KEYS.iter().map(|key| key.name), ".");
        near.iter().filter_map(|name| keys::find(name)).for_each(|key| sources.waive(key));
        let hint = suggest::did_you_mean(&near).unwrap_or_else(|| {
            let section = name.split('.').next().unwrap_or(name);
            let of_section = KEYS.iter().filter(|key| key.section() == section);
            let names: Vec<_> = of_section.map(SettingKey::leaf).collect();
            match names.is_empty() {
                true => "keys belong in tables, such as url in [upstream]".into(),
                false => format!("the keys of [{section}] are {}", names.join(", ")),
            }
        });
        self.report(None, name, span, format!("there is no such key: {hint}"));
    }

    fn report(&mut self, key: Option<&SettingKey>, what: &str, span: &Range<usize>, fault: String) {
        let line = self.line(span);
        let name = what.escape_debug().to_string();
        let subject = format!("{} ({}:{line})", secret::masked(&name), self.path.display());
        self.problems.push((line, Problem::about(key, subject, fault)));
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    /// Returns a value as written in the file, on one line.
    fn excerpt(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Returns a value's text, if the value has the TOML type of its setting.
fn items(key: &SettingKey, written: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let written = written.get_ref();
    let properties = key.kind.properties();
    let wrong = || format!("this is {}", with_article(written.type_str()));
    if key.kind.is_list() {
        return match (written.as_array(), written.as_str()) {
            (Some(array), _) => array
                .iter()
                .map(|item| match item.get_ref().as_str() {
                    Some(text) => Ok(text.to_owned()),
                    None => Err("every item must be a string, in quotes".into()),
                })
                .collect(),
            (None, Some(text)) if properties.stands_alone => Ok(vec![text.to_owned()]),
            (None, Some(text)) => Err(format!("this must be an array: write [{text:?}]")),
            (None, None) if properties.stands_alone => {
                Err(format!("{}: write a string, in quotes, or an array of strings", wrong()))
            }
            (None, None) => Err(format!("{}: write an array of strings", wrong())),
        };
    }
    let text = match properties.toml {
        TomlType::Bool => match (written.as_bool(), written.as_str()) {
            (Some(on), _) => Some(on.to_string()),
            (None, Some("true" | "false")) => return Err("write it without quotes".into()),
            (None, _) => None,
        },
        TomlType::Number => match (written.as_integer(), written.as_str()) {
            (Some(number), _) => Some(number.to_string()),
            (None, Some(_)) => return Err("write a number without quotes".into()),
            (None, None) => None,
        },
        TomlType::NumberOrText => {
            let number = written.as_integer().map(ToString::to_string);
            number.or_else(|| written.as_str().map(str::to_owned))
        }
        // A number without a unit is always invalid; the parser's message names the unit.
        TomlType::Quantity => match written.as_integer() {
            Some(number) => {
                let unitless = |fault| format!("{fault}, in quotes");
                key.kind.check(&number.to_string()).map_err(unitless)?;
                None
            }
            None => written.as_str().map(str::to_owned),
        },
        TomlType::Text => match written.as_str() {
            Some(text) => Some(text.to_owned()),
            None => return Err(format!("{}: write a string, in quotes", wrong())),
        },
    };
    text.map(|text| vec![text]).ok_or_else(wrong)
}

fn with_article(noun: &str) -> String {
    match noun.starts_with(['a', 'i']) {
        true => format!("an {noun}"),
        false => format!("a {noun}"),
    }
}
