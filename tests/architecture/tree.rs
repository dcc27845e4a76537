//! The sources as a tree of modules: which file holds which module, and what each file says.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Sources, facts::Facts};

/// A crate whose modules are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crate {
    /// The directory of its root module.
    root: &'static str,
    /// The name by which its parts call its root, besides `crate`.
    library: Option<&'static str>,
}

/// The library and the binary, as one.
pub(crate) const PROGRAM: Crate = Crate { root: "src/", library: Some("sideman") };
/// The load test. `sideman` is one of its modules.
pub(crate) const BENCH: Crate = Crate { root: "benches/load/", library: None };

/// All files of one crate, tests left out.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) files: Vec<File<'a>>,
    /// Files that the compiler would refuse.
    pub(crate) unreadable: Vec<String>,
    holders: BTreeMap<Vec<String>, &'a str>,
}

/// One file that is compiled into the program.
#[derive(Debug)]
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) lines: usize,
    pub(crate) facts: Facts,
}

// === impl Tree ===

impl<'a> Tree<'a> {
    pub(crate) fn read(sources: &'a Sources, of: Crate) -> Self {
        let module = |name: &str| module(name, of.root);
        let mut files = Vec::new();
        let mut unreadable = Vec::new();
        for (name, source) in sources.iter().filter(|(name, _)| name.starts_with(of.root)) {
            match Facts::read(&module(name), source, of.library) {
                Ok(facts) => files.push(File { name, lines: source.lines().count(), facts }),
                Err(error) => unreadable.push(format!(
                    "{name}:{}: cannot be parsed: {error}",
                    error.span().start().line
                )),
            }
        }

        // A file is a test when a `mod` under `#[cfg(test)]` declares it or a folder above it.
        let tests: BTreeSet<Vec<String>> =
            files.iter().flat_map(|file| file.facts.test_modules.iter().cloned()).collect();
        files.retain(|file| {
            let module = module(file.name);
            !(1..=module.len())
                .any(|length| module.get(..length).is_some_and(|m| tests.contains(m)))
        });
        let holders = files
            .iter()
            .map(|file| (module(file.name), file.name))
            .filter(|(module, _)| !module.is_empty())
            .collect();
        Self { files, unreadable, holders }
    }

    /// The file that holds a path's last module: the longest beginning that is a module.
    pub(crate) fn holder(&self, path: &[String]) -> Option<&'a str> {
        (1..=path.len()).rev().find_map(|length| self.holders.get(path.get(..length)?).copied())
    }
}

/// The module that a file holds, from the root: `src/a/mod.rs` is `[a]`.
fn module(file: &str, root: &str) -> Vec<String> {
    let path = file.strip_prefix(root).unwrap_or(file);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// The row of the layer table that a file belongs to.
pub(crate) fn top(file: &str) -> &str {
    let path = file.strip_prefix("src/").unwrap_or(file);
    let end = path.find('/').or_else(|| path.find(".rs")).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}
