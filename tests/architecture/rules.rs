//! The rules. Each is a function from the tree to sentences that name file, line and remedy.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    Sources, table,
    tree::{BENCH, PROGRAM, Tree, top},
};

/// Lines of one file, its tests left out.
const LIMIT: usize = 500;
/// The longest line of a comment, in characters. rustfmt does not wrap them.
const WIDTH: usize = 120;

/// Everything that is wrong, in the order of the rules.
pub(crate) fn check(sources: &Sources) -> Vec<String> {
    let tree = Tree::read(sources, PROGRAM);
    let mut violations = headers(sources);
    violations.extend(widths(sources));
    violations.extend(tree.unreadable.iter().cloned());
    violations.extend(unknown_modules(&tree));
    violations.extend(layers(&tree));
    violations.extend(cycles(&tree));
    violations.extend(lengths(&tree));
    violations.extend(environment(&tree));
    violations.extend(prints(&tree));
    violations.extend(detours(&tree));
    violations.extend(bench(sources));
    violations
}

/// The load test has no layers, and prints; all else is as in the program.
fn bench(sources: &Sources) -> Vec<String> {
    let tree = Tree::read(sources, BENCH);
    let mut violations = tree.unreadable.clone();
    violations.extend(cycles(&tree));
    violations.extend(lengths(&tree));
    violations.extend(detours(&tree));
    violations
}

/// Every file, tests too, says first what it is for.
fn headers(sources: &Sources) -> Vec<String> {
    sources
        .iter()
        .filter(|(_, source)| {
            source.lines().next().and_then(|line| line.strip_prefix("//! ")).is_none()
        })
        .map(|(name, _)| format!("{name}:1: must open with a `//!` line that says its duty"))
        .collect()
}

/// Only an address may be longer.
fn widths(sources: &Sources) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, source) in sources {
        for (line, number) in source.lines().zip(1..) {
            let is_comment = line.trim_start().starts_with("//");
            if is_comment && !line.contains("://") && line.chars().count() > WIDTH {
                violations.push(format!("{name}:{number}: wrap the comment at {WIDTH} characters"));
            }
        }
    }
    violations
}

fn unknown_modules(tree: &Tree<'_>) -> Vec<String> {
    let unknown: BTreeMap<&str, &str> = tree
        .files
        .iter()
        .rev()
        .map(|file| (top(file.name), file.name))
        .filter(|(module, _)| table::row(module).is_none())
        .collect();
    unknown
        .iter()
        .map(|(module, file)| {
            format!(
                "{file}: {module} has no layer; add it to tests/architecture/table.rs and to \
                 ARCHITECTURE.md"
            )
        })
        .collect()
}

/// Imports between top-level modules follow the table.
fn layers(tree: &Tree<'_>) -> Vec<String> {
    let mut violations = Vec::new();
    for file in &tree.files {
        let from = top(file.name);
        let Some(row) = table::row(from) else { continue };
        for reference in &file.facts.references {
            let at = format!("{}:{}", file.name, reference.line);
            let Some(holder) = tree.holder(&reference.path) else {
                if !matches!(from, "lib" | "main") {
                    violations.push(format!(
                        "{at}: {from} -> the crate's root (`crate::{}`) is not allowed; import \
                         from the module that holds the name",
                        reference.path.join("::")
                    ));
                }
                continue;
            };
            let to = top(holder);
            if to == from || row.may_import.contains(&to) || table::row(to).is_none() {
                continue;
            }
            let allowed = match row.may_import {
                [] => "nothing of ours".to_owned(),
                modules => modules.join(", "),
            };
            violations
                .push(format!("{at}: {from} -> {to} is not allowed; {from} may import {allowed}"));
        }
    }
    violations
}

/// Files never import each other in a circle. One circle is shown for each knot, the shortest
/// through its first file, and each file with the line that leads on.
fn cycles(tree: &Tree<'_>) -> Vec<String> {
    let mut graph: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for file in &tree.files {
        let edges = graph.entry(file.name).or_default();
        for reference in &file.facts.references {
            match tree.holder(&reference.path) {
                Some(holder) if holder != file.name => {
                    edges.entry(holder).or_insert(reference.line);
                }
                Some(_) | None => {}
            }
        }
    }

    let mut shown = BTreeSet::new();
    let mut violations = Vec::new();
    for start in graph.keys().copied() {
        if shown.contains(start) {
            continue;
        }
        let Some(circle) = shortest_circle(&graph, start) else { continue };
        let mut path = String::new();
        for (file, line) in &circle {
            path += &format!("{file}:{line} -> ");
        }
        violations.push(format!(
            "{path}{start} is an import cycle; move what they share into a file below them"
        ));
        shown.extend(circle.iter().map(|(file, _)| *file));
    }
    violations
}

/// The files of the shortest way from `start` back to it, each with its import's line.
fn shortest_circle<'a>(
    graph: &BTreeMap<&'a str, BTreeMap<&'a str, usize>>,
    start: &'a str,
) -> Option<Vec<(&'a str, usize)>> {
    let mut came_from: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for (&next, &line) in graph.get(file)? {
            if came_from.contains_key(next) {
                continue;
            }
            came_from.insert(next, (file, line));
            queue.push_back(next);
        }
    }
    let mut circle = vec![*came_from.get(start)?];
    while let Some(&(file, _)) = circle.last()
        && file != start
    {
        circle.push(*came_from.get(file)?);
    }
    circle.reverse();
    Some(circle)
}

fn lengths(tree: &Tree<'_>) -> Vec<String> {
    tree.files
        .iter()
        .map(|file| (file.name, file.lines - file.facts.test_lines))
        .filter(|(_, lines)| *lines > LIMIT)
        .map(|(name, lines)| {
            format!("{name}: {lines} lines without tests; the limit is {LIMIT}: split it by duty")
        })
        .collect()
}

fn environment(tree: &Tree<'_>) -> Vec<String> {
    let mut violations = Vec::new();
    for file in &tree.files {
        if matches!(top(file.name), "config" | "command" | "main") {
            continue;
        }
        violations.extend(file.facts.environment.iter().map(|line| {
            format!(
                "{}:{line}: `std::env` is for config, command and main; pass the value instead",
                file.name
            )
        }));
    }
    violations
}

fn prints(tree: &Tree<'_>) -> Vec<String> {
    let mut violations = Vec::new();
    for file in &tree.files {
        if matches!(top(file.name), "command" | "main") {
            continue;
        }
        violations.extend(file.facts.prints.iter().map(|print| {
            format!(
                "{}:{}: `{}!` is for command and main; events go through tracing, requests to the \
                 access log",
                file.name, print.line, print.name
            )
        }));
    }
    violations
}

fn detours(tree: &Tree<'_>) -> Vec<String> {
    let mut violations = Vec::new();
    for file in &tree.files {
        violations.extend(file.facts.detours.iter().map(|line| {
            format!(
                "{}:{line}: `#[path]` and `include!` hide where code lives; declare a module in \
                 its place",
                file.name
            )
        }));
    }
    violations
}
