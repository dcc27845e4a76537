//! What is said in the documentation: every example is named, and every variable and link exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sideman::config;

use super::text;

const PAGES: [&str; 20] = [
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "config/deploy/README.md",
    "docs/README.md",
    "docs/application.md",
    "docs/compose.md",
    "docs/ecs.md",
    "docs/errors.md",
    "docs/files.md",
    "docs/limits.md",
    "docs/logging.md",
    "docs/nginx.md",
    "docs/operation.md",
    "docs/performance.md",
    "docs/reload.md",
    "docs/requests.md",
    "docs/tls.md",
    "docs/troubleshooting.md",
];
/// Compose's own, for the image; where the settings file is; how every name is made; and the tests' own.
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
    for page in PAGES {
        let text = text(page);
        for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
            let Some(name) = word.strip_prefix("SIDEMAN_") else { continue };
            let is_known = config::KEYS.iter().any(|key| {
                let long = key.name.replace('.', "__").to_uppercase();
                long == name || key.short_env == Some(word)
            });
            assert!(is_known || OTHERS.contains(&name), "{page}: {word}");
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
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_page = name.ends_with(".md") && name != "README.md";
        assert!(!is_page || index.contains(&format!("\n| [{name}]({name}) |")), "{name}");
    }
}

/// Pages that lead people to a file by its path.
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

/// The licences that Cargo.toml names are there, and what cargo packs is what a build needs.
#[test]
fn licences_are_there() {
    let manifest = text("Cargo.toml");
    assert!(manifest.contains("license = \"MIT OR Apache-2.0\""));
    assert!(text("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(text("LICENSE-APACHE").contains("Apache License\n"));
}
