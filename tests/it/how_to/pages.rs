//! Rules for every how-to page, beside the checks of all pages in `deploy/readme.rs` and `deploy/settings.rs`.

use std::{fs, path::Path};

use sideman::{command::args::Cli, config};

use super::Page;
use crate::support::Tool;

/// A value in the form `server.max_body` (100 MiB) is the default.
#[test]
fn every_default_that_is_named_is_the_default() {
    let mut count = 0;
    for page in Page::all() {
        for key in config::KEYS.iter() {
            for rest in page.text.split(&format!("`{}` (", key.name)).skip(1) {
                // A link and a sentence are not values.
                let named = rest.split([')', ';', ',', ':']).next().unwrap();
                if named.starts_with('[') || named.contains(". ") {
                    continue;
                }
                let named = named.replace([' ', '`', '\n'], "");
                let default = key.default.unwrap_or_default().join(",");
                let default = if default.is_empty() { "none".to_owned() } else { default };
                assert_eq!(named, default, "{}: {}", page.name, key.name);
                count += 1;
            }
        }
    }
    assert!(count >= 15, "{count} defaults");
}

/// Words with a dot in backticks that begin like a section are settings.
#[test]
fn every_setting_that_is_named_exists() {
    for page in Page::all() {
        for word in page.text.split('`').skip(1).step_by(2) {
            let name = word.split(' ').next().unwrap();
            let Some((section, rest)) = name.split_once('.') else { continue };
            let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let mut sections = config::KEYS.iter().filter_map(|key| key.name.split_once('.'));
            if !is_name(rest) || rest.is_empty() || !sections.any(|(known, _)| known == section) {
                continue;
            }
            assert!(config::KEYS.iter().any(|key| key.name == name), "{}: {name}", page.name);
        }
    }
}

#[test]
fn every_command_of_sideman_parses() {
    use clap::Parser as _;

    let mut count = 0;
    for page in Page::all() {
        let blocks = ["", "bash"].map(|language| page.blocks(language)).concat();
        for line in blocks.iter().flat_map(|block| block.lines()) {
            let command = line.split(" & ").next().unwrap();
            if command.starts_with("sideman ") {
                let parsed = Cli::try_parse_from(command.split_whitespace());
                assert!(parsed.is_ok(), "{}: {line}: {parsed:?}", page.name);
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn every_program_in_a_block_parses() {
    for page in Page::all() {
        for block in page.blocks("json") {
            let read = serde_json::from_str::<serde_json::Value>(&block);
            assert!(read.is_ok(), "{}: {read:?}", page.name);
        }
        for block in page.blocks("python") {
            let check = "import ast, sys; ast.parse(sys.stdin.read())";
            let Some(output) = Tool::Python.run(&["-c", check], &block) else { return };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", page.name);
        }
    }
}

/// A page fits on a few screens, beside the source in an editor.
#[test]
fn pages_are_short() {
    for page in Page::all() {
        let lines = page.text.lines().count();
        assert!((40..=120).contains(&lines), "{}: {lines} lines", page.name);
        for line in page.text.lines().filter(|line| !line.starts_with('|')) {
            let is_link = line.contains("https://");
            assert!(line.chars().count() <= 120 || is_link, "{}: {line}", page.name);
        }
    }
}

#[test]
fn index_of_the_documentation_has_every_page() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index = fs::read_to_string(home.join("docs/README.md")).unwrap();
    for page in Page::all() {
        let name = &page.name;
        assert!(index.contains(&format!("[{name}](how-to/{name})")), "{name}");
    }
}
