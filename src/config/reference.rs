//! Generates docs/settings.md from the table of settings, and compares it with the file. `UPDATE_EXPECT=1 cargo test
//! --lib reference` rewrites it.

use std::{env, fmt::Write as _, fs, path::Path};

use super::keys::{KEYS, SECTIONS, SettingKey};

const INTRODUCTION: &str = "# Settings

<!-- Made from src/config/keys by `UPDATE_EXPECT=1 cargo test --lib reference`. -->

Defaults, then a TOML file (`--config` or `SIDEMAN_CONFIG`), then the environment, then flags: what comes later wins.
[config/sideman.toml](../config/sideman.toml) is a file with all of them. `sideman check` shows those that were
set, with where, and what is worth a warning, or everything that is wrong: exit status 0, 2 if anything is wrong, and with
`--strict` 1 if there is a warning. `--all` shows the defaults too. `run` writes the same warnings as events, and at its start
the settings that were set (`started`), without those that came from a file.

- Each setting has a name in the environment, `SIDEMAN_SECTION__KEY`; some have a shorter one beside it, and a flag.
- With `_FILE` behind it, a name in the environment names a file that holds the value, as container secrets are given.
- Times are written with `ms`, `s`, `m`, `h` or `d` (`1500ms`, `10m`), sizes with `B`, `KiB`, `MiB`, `GiB`, `KB`, `MB` or
  `GB` (`64MiB`).
- Lists are arrays in the file, separated by commas in the environment, and repeated as flags; `none` is an empty one.
";

/// The introduction explains all times and sizes once.
const UNITS: [&str; 2] =
    [", with its unit: ms, s, m, h or d", ", with its unit: B, KiB, MiB, GiB, KB, MB or GB"];

#[test]
fn docs_settings_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap();
    let path = path.display();
    assert_eq!(file, reference(), "UPDATE_EXPECT=1 cargo test --lib reference rewrites {path}");
}

#[test]
fn every_row_has_its_cells() {
    let text = reference();
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), KEYS.len());
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
}

fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (section, doc) in SECTIONS {
        let mut keys: Vec<&SettingKey> =
            KEYS.iter().filter(|key| key.section() == *section).collect();
        keys.sort_by_key(|key| key.name);
        writeln!(text, "\n## [{section}]\n\n{}\n", escaped(doc)).unwrap();
        text.push_str("| setting | default | expected | environment, flag | meaning |\n");
        text.push_str("|---|---|---|---|---|\n");
        for key in keys {
            row(&mut text, key);
        }
    }
    text
}

fn row(text: &mut String, key: &SettingKey) {
    let default = match key.default {
        None => "(must be set)".to_owned(),
        Some([]) => "none".to_owned(),
        Some(items) => format!("`{}`", items.join(", ")),
    };
    let mut expected = key.kind.expected();
    for unit in UNITS {
        expected = expected.replace(unit, "");
    }
    let mut names: Vec<_> = key.short_env.into_iter().map(str::to_owned).collect();
    names.extend([key.env_name()]);
    names.extend(key.flag.map(|flag| flag.name.to_owned()));
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let (expected, names, doc) = (escaped(&expected), names.join(", "), escaped(key.doc));
    writeln!(text, "| `{}` | {default} | {expected} | {names} | {doc} |", key.name).unwrap();
}

/// Escapes characters that Markdown would interpret.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '|' | '<' | '>') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
