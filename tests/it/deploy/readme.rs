//! What is said in the documentation: every example is named, and every variable and link exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sideman::config;

use super::text;

const PAGES: [&str; 12] = [
    "README.md",
    "config/deploy/README.md",
    "docs/application.md",
    "docs/compose.md",
    "docs/ecs.md",
    "docs/files.md",
    "docs/limits.md",
    "docs/logging.md",
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
            let link = link.split([')', '#']).next().unwrap();
            let path = home.parent().unwrap().join(link);
            assert!(link.is_empty() || fs::metadata(&path).is_ok(), "{page}: {link}");
        }
    }
}
