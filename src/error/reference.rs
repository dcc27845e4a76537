//! The table of errors in docs/application.md, made from the table of kinds, and compared with what is there.
//! `UPDATE_EXPECT=1 cargo test --lib reference` rewrites it.

use std::{env, fmt::Write as _, fs, path::Path};

use crate::config::KEYS;

use super::{FailureKind, FailureSide};

const BEGIN: &str = "| error | status | what happened | what to do |\n|---|---|---|---|\n";

#[test]
fn docs_application_has_the_table_of_errors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/application.md");
    let file = fs::read_to_string(&path).unwrap();
    let (before, rest) = file.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    let expected = format!("{before}{BEGIN}{}\n{after}", rows());
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    let path = path.display();
    assert!(file == expected, "UPDATE_EXPECT=1 cargo test --lib reference rewrites {path}");
}

#[test]
fn every_error_has_a_unique_name_and_a_remedy() {
    let mut names: Vec<&str> = FailureKind::ALL.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FailureKind::ALL.len());
    for kind in FailureKind::ALL {
        let row = kind.row();
        assert_eq!(kind.status().as_u16(), row.status, "{kind:?}");
        let says = row.advice.or(row.remedy);
        assert!(
            says.is_some() || row.side == FailureSide::Client,
            "{kind:?}: nobody knows what to do"
        );
        assert!(row.cause.ends_with('.') && row.text.ends_with('.'), "{kind:?}");
        assert!(!row.cause.contains('|'), "{kind:?}");
    }
}

fn rows() -> String {
    let mut text = String::new();
    for kind in FailureKind::ALL {
        let row = kind.row();
        // One that has left gets no answer.
        let status = if kind == FailureKind::ClientDisconnected { 499 } else { row.status };
        let late = if row.can_abort_response { ", -" } else { "" };
        let (cause, remedy) = (lower(row.cause.trim()), quoted(remedy(kind)));
        writeln!(text, "| `{}` | {status}{late} | {cause} | {remedy} |", row.name).unwrap();
    }
    text
}

fn remedy(kind: FailureKind) -> &'static str {
    let row = kind.row();
    row.remedy.or(row.advice).unwrap_or("the client's matter")
}

/// A sentence as a part of one.
fn lower(sentence: &str) -> String {
    let text = sentence.trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() && second != '`' => {
            format!("{}{}", first.to_lowercase(), text.get(first.len_utf8()..).unwrap_or_default())
        }
        _ => text.into(),
    }
}

/// With the names of settings as code.
fn quoted(text: &str) -> String {
    let word = |word: &str| {
        let name = word.trim_matches(['(', ')', ',', ';', ':']);
        match KEYS.iter().any(|key| key.name == name) {
            true => word.replace(name, &format!("`{name}`")),
            false => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
