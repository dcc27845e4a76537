//! The documentation is complete: it describes every example, and every variable and link in it exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sideman::config;

use super::text;

/// Pages outside of docs/.
const PAGES: [&str; 6] = [
    "ARCHITECTURE.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "config/deploy/README.md",
];
/// Variables of compose, of the settings file path, of naming rules, and of the tests.
const OTHERS: [&str; 4] = ["IMAGE", "CONFIG", "SECTION__KEY", "SKIP_NOTHING"];

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every page, with its path.
pub(super) fn pages() -> Vec<String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    files(&home.join("docs"), &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let found = found.iter().map(|path| path.strip_prefix(home).unwrap().to_str().unwrap());
    PAGES.into_iter().chain(found).map(str::to_owned).collect()
}

#[test]
fn every_example_has_its_paragraph() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/deploy");
    let readme = text("config/deploy/README.md");
    let mut found = Vec::new();
    files(&home, &mut found);
    assert!(found.len() >= 6);
    for path in found {
        let name = path.strip_prefix(&home).unwrap().to_str().unwrap();
        assert!(name == "README.md" || readme.contains(name), "{name} is not in README.md");
    }
}

#[test]
fn every_variable_and_link_exists() {
    let pages = pages();
    assert!(pages.len() >= 24, "{pages:?}");
    for page in &pages {
        let text = text(page);
        for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
            let Some(name) = word.strip_prefix("SIDEMAN_") else { continue };
            // The value of every variable may come from a file.
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            let word = word.strip_suffix("_FILE").unwrap_or(word);
            let is_known = config::KEYS.iter().any(|key| {
                let long = key.name.replace('.', "__").to_uppercase();
                long == name || key.short_env == Some(word)
            });
            let of_route = name.strip_prefix("ROUTE__").and_then(|rest| rest.split_once('_'));
            let is_of_route = of_route.is_some_and(|(_, leaf)| {
                // Without its suffix, ROUTE__NAME__FILE has no key left.
                let leaf = leaf.trim_start_matches('_');
                let is_leaf = |key: &config::SettingKey| key.leaf().to_uppercase() == leaf;
                matches!(leaf, "KEY" | "") || config::ROUTE_KEYS.iter().any(is_leaf)
            });
            assert!(is_known || is_of_route || OTHERS.contains(&name), "{page}: {word}");
        }
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path =
                if file.is_empty() { home.clone() } else { home.parent().unwrap().join(file) };
            assert!(fs::metadata(&path).is_ok(), "{page}: {link}");
            let is_there = || anchors(&fs::read_to_string(&path).unwrap()).any(|one| one == anchor);
            assert!(anchor.is_empty() || is_there(), "{page}: no heading for {link}");
        }
    }
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    page.lines().filter(|line| line.starts_with('#')).map(|line| {
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let text: String = line.trim_start_matches('#').trim().chars().filter(kept).collect();
        text.to_lowercase().replace(' ', "-")
    })
}

#[test]
fn the_index_of_the_documentation_has_every_page() {
    let index = text("docs/README.md");
    for page in pages() {
        let Some(name) = page.strip_prefix("docs/").filter(|name| *name != "README.md") else {
            continue;
        };
        assert!(index.contains(&format!("]({name})")), "docs/README.md does not name {name}");
    }
}

/// The stages of the diagram are the headings of its page, and each names a source; the test of links checks its path.
#[test]
fn every_stage_of_the_diagram_has_its_sources() {
    let diagram = text("docs/images/life-of-a-request.svg");
    let page = text("docs/life-of-a-request.md");
    let drawn: Vec<&str> = diagram
        .lines()
        .filter(|line| line.contains("class=\"stage\""))
        .map(|line| line.split(['<', '>']).nth(2).unwrap())
        .collect();
    let sections: Vec<(&str, &str)> =
        page.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    assert_eq!(drawn, sections.iter().map(|(title, _)| *title).collect::<Vec<_>>());
    for (title, section) in sections {
        assert!(section.contains("](../src/"), "{title} names no source");
    }
}

/// Pages that refer to a file by its path.
#[test]
fn every_path_exists() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for page in ["CONTRIBUTING.md", "SECURITY.md"] {
        let text = text(page);
        for word in text.split('`').skip(1).step_by(2) {
            let top = ["src/", "tests/", "docs/", "config/", "fuzz/", "benches/"];
            if top.iter().any(|top| word.starts_with(top)) && !word.contains("SECTION") {
                assert!(fs::metadata(home.join(word)).is_ok(), "{page}: {word}");
                count += 1;
            }
        }
    }
    assert!(count >= 20, "{count} paths");
}

/// The licence files that Cargo.toml names exist, and cargo packs the files that a build needs.
#[test]
fn licences_are_there() {
    let manifest = text("Cargo.toml");
    assert!(manifest.contains("license = \"MIT OR Apache-2.0\""));
    assert!(text("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(text("LICENSE-APACHE").contains("Apache License\n"));
}
