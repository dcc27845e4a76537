//! Makes the part of docs/errors.md that comes from the table of kinds. `UPDATE_EXPECT=1 cargo test --lib reference`
//! rewrites it.

use crate::generated_page::{self, markdown};

use super::{FailureKind, FailureSide};

#[test]
fn docs_errors_is_the_table() {
    generated_page::check("errors.md", "src/error", &reference());
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
        let text = row.advice.or(row.remedy);
        assert!(
            text.is_some() || row.side == FailureSide::Client,
            "{kind:?}: nobody knows what to do"
        );
        assert!(row.cause.ends_with('.') && row.text.ends_with('.'), "{kind:?}");
        assert!(!row.cause.contains('|'), "{kind:?}");
    }
}

fn reference() -> String {
    FailureKind::ALL.iter().map(|kind| error(*kind)).collect::<Vec<_>>().join("\n")
}

fn error(kind: FailureKind) -> String {
    let row = kind.row();
    // The access log's status: a client that has disconnected gets no response.
    let status = if kind == FailureKind::ClientDisconnected { 499 } else { row.status };
    let late = if row.can_abort_response { ", or the response is aborted" } else { "" };
    let (name, cause, remedy) = (row.name, markdown(row.cause.trim()), markdown(remedy(kind)));
    format!("### `{name}`\n\n{cause}\n\n- Status: {status}{late}\n- What to do: {remedy}\n")
}

fn remedy(kind: FailureKind) -> &'static str {
    let row = kind.row();
    row.remedy.or(row.advice).unwrap_or("fix the client, if it is yours")
}
