//! Compares docs/doctor.md with the checks.

use std::{collections::BTreeSet, fs, path::Path};

use super::{deployment, running};
use crate::finding::Check;

fn text(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    page.lines().filter(|line| line.starts_with('#')).map(|line| {
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let text: String = line.trim_start_matches('#').trim().chars().filter(kept).collect();
        text.to_lowercase().replace(' ', "-")
    })
}

fn all() -> Vec<&'static Check> {
    [&deployment::CHECKS[..], &running::CHECKS[..]].concat()
}

#[test]
fn every_check_has_its_row_in_the_docs() {
    let rows: BTreeSet<String> = text("docs/doctor.md")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| line.split(" | ").nth(1).map(|second| (line, second.to_owned())))
        .filter(|(_, second)| matches!(second.as_str(), "error" | "warning"))
        .map(|(line, severity)| format!("{} {severity}", line.split('`').nth(1).unwrap()))
        .collect();
    let checks = all();
    let known: BTreeSet<String> =
        checks.iter().map(|check| format!("{} {}", check.id, check.severity.name())).collect();
    assert_eq!(rows, known);
    let ids: BTreeSet<&str> = checks.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), known.len(), "an id has two severities");
}

#[test]
fn every_check_leads_to_a_heading() {
    for check in all() {
        let (page, anchor) = check.page.split_once('#').unwrap_or((check.page, ""));
        let text = text(page);
        assert!(anchor.is_empty() || anchors(&text).any(|one| one == anchor), "{}", check.page);
    }
}
