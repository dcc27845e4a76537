//! Generates docs/errors.md from the table of kinds, and compares it with the file. `UPDATE_EXPECT=1 cargo test --lib
//! reference` rewrites the file.

use std::{env, fmt::Write as _, fs, path::Path};

use crate::config::KEYS;

use super::{FailureKind, FailureSide};

const INTRODUCTION: &str = "# Errors

<!-- Made from src/error by `UPDATE_EXPECT=1 cargo test --lib reference`. -->

Every failure of a request has one of these names. The name is in the field `error` of the
[access log](logging.md), in the label `error` of `sideman_errors_total`, and in the member `error` of JSON responses.
[troubleshooting.md](troubleshooting.md) starts from what you see instead, [requests.md](requests.md) from the
request that is refused.

- **Status** is the status of the response. 499 means that the client disconnected before the response began. `-` means
  that the error can also occur after the response has begun: then Sideman aborts the response.
- **Events**: failures of the application and of Sideman are also logged on stderr, with `advice`. Each failure is logged once
  in ten seconds; `missed` is the number of occurrences since the previous event.
- **JSON** responses have three more names, which are not failures: `not_found`, `method_not_allowed` and
  `not_acceptable`, for files that can't be sent.

| error | status | what happened | what to do |
|---|---|---|---|
";

#[test]
fn docs_errors_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let expected = format!("{INTRODUCTION}{}", rows());
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let file = fs::read_to_string(&path).unwrap();
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
        // The access log's status: a client that has disconnected gets no response.
        let status = if kind == FailureKind::ClientDisconnected { 499 } else { row.status };
        let late = if row.can_abort_response { ", -" } else { "" };
        let (cause, remedy) = (lower(row.cause.trim()), quoted(remedy(kind)));
        writeln!(text, "| `{}` | {status}{late} | {cause} | {remedy} |", row.name).unwrap();
    }
    text
}

fn remedy(kind: FailureKind) -> &'static str {
    let row = kind.row();
    row.remedy.or(row.advice).unwrap_or("fix the client, if it is yours")
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

/// With the names of settings as code. Links without a page are to docs/application.md.
fn quoted(text: &str) -> String {
    let word = |word: &str| {
        let name = word.trim_matches(['(', ')', ',', ';', ':']);
        match KEYS.iter().any(|key| key.name == name) {
            true => word.replace(name, &format!("`{name}`")),
            false => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ").replace("](#", "](application.md#")
}
