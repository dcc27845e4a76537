//! The architecture, enforced: who may import whom, no cycles, no long files, and nothing hidden.
//!
//! `table` holds the layers, `facts` reads one file, `tree` gives files their place, `rules` judge
//! them, and `checker` proves that every rule can fail. `words` has the words that must not come back.
//! All of it works on sources in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod checker;
mod facts;
mod rules;
mod table;
mod tree;
mod words;

use std::{collections::BTreeMap, fs, path::Path};

/// Path from the root of the repository, with `/`, to the source.
type Sources = BTreeMap<String, String>;

#[test]
fn the_sources_keep_to_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Sources::new();
    for directory in ["src", "benches", "fuzz/fuzz_targets"] {
        collect(root, &root.join(directory), "rs", &mut sources);
    }
    for file in ["src/lib.rs", "benches/load/main.rs", "fuzz/fuzz_targets/path.rs"] {
        assert!(sources.contains_key(file), "{file} was not found: nothing was checked");
    }

    let violations = rules::check(&sources);
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// Adds every file with this extension below `directory`.
fn collect(root: &Path, directory: &Path, extension: &str, sources: &mut Sources) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, extension, sources);
        } else if path.extension().is_some_and(|found| found == extension) {
            let name = path.strip_prefix(root).unwrap().to_str().expect("a path in UTF-8");
            sources.insert(name.to_owned(), fs::read_to_string(&path).unwrap());
        }
    }
}
