//! Makes the part of docs/settings.md that comes from the table of settings. `UPDATE_EXPECT=1 cargo test --lib
//! reference` rewrites it.

use std::fmt::Write as _;

use crate::generated_page::{self, escaped, markdown};

use super::keys::{KEYS, ROUTE_KEYS, ROUTE_SECTION, SECTIONS, SettingId, SettingKey};

/// The page explains all times and sizes once.
const UNITS: [&str; 2] =
    [", with its unit: ms, s, m, h or d", ", with its unit: B, KiB, MiB, GiB, KB, MB or GB"];

#[test]
fn docs_settings_is_the_table() {
    generated_page::check("settings.md", "src/config/keys", &reference());
}

#[test]
fn every_setting_has_its_heading_and_its_facts() {
    let text = reference();
    for key in KEYS.iter().chain(ROUTE_KEYS) {
        let (_, facts) = text.split_once(&format!("\n### `{}`\n\n", id(key))).unwrap();
        let facts = facts.split("\n#").next().unwrap();
        for fact in ["- Default: ", "- Values: ", "- File: ", "- Environment: "] {
            assert_eq!(facts.matches(fact).count(), 1, "{}: {fact}", id(key));
        }
    }
}

fn reference() -> String {
    let sections = SECTIONS.iter().chain([&ROUTE_SECTION]).map(|(section, doc)| {
        let all = KEYS.iter().chain(ROUTE_KEYS);
        let mut keys: Vec<_> = all.filter(|key| key.section() == *section).collect();
        keys.sort_by_key(|key| key.name);
        let settings: String = keys.into_iter().map(setting).collect();
        format!("## [{section}]\n\n{}\n{settings}", markdown(doc))
    });
    sections.collect::<Vec<_>>().join("\n")
}

/// Returns the setting's name, with `NAME` for that of a route.
fn id(key: &'static SettingKey) -> SettingId {
    match key.section() == ROUTE_SECTION.0 {
        true => SettingId::of_route(key, "NAME"),
        false => key.into(),
    }
}

fn setting(key: &'static SettingKey) -> String {
    let id = id(key);
    let default = match key.default {
        None if id.route.is_some() => "not set".to_owned(),
        None => "none, it must be set".to_owned(),
        Some([]) => "none".to_owned(),
        Some(items) => format!("`{}`", items.join(", ")),
    };
    let mut expected = key.kind.expected();
    for unit in UNITS {
        expected = expected.replace(unit, "");
    }
    let names: Vec<_> =
        key.short_env.into_iter().map(str::to_owned).chain([id.env_name()]).collect();
    let mut text = format!("\n### `{id}`\n\n{}\n\n", markdown(key.doc));
    writeln!(text, "- Default: {default}").unwrap();
    writeln!(text, "- Values: {}", escaped(&expected)).unwrap();
    let whole = id.to_string();
    let (section, leaf) = whole.rsplit_once('.').unwrap();
    writeln!(text, "- File: `{leaf}` in `[{section}]`").unwrap();
    writeln!(text, "- Environment: `{}`", names.join("`, `")).unwrap();
    if let Some(flag) = &key.flag {
        writeln!(text, "- Flag: `{} {}`", flag.name, flag.value).unwrap();
    }
    text
}
