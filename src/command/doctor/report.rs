//! Writes what was found, for people and as JSON.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::{Value, json};

use super::examination::Examination;
use crate::finding::{Finding, Severity, printable};

/// Exit status if there are findings.
const HAS_FINDINGS: u8 = 1;
/// Exit status if nothing was found, and a part could not be checked.
pub(super) const COULD_NOT_LOOK: u8 = 2;

/// Sorts the findings, the worst first. The same finding is kept once.
pub(super) fn sort(examination: &mut Examination) {
    let findings = &mut examination.findings;
    findings.sort_by_key(|finding| finding.check.severity);
    let mut kept: Vec<Finding> = Vec::with_capacity(findings.len());
    for finding in findings.drain(..) {
        if !kept.contains(&finding) {
            kept.push(finding);
        }
    }
    *findings = kept;
}

/// Returns the report for people.
pub(super) fn text(examination: &Examination) -> String {
    let mut text = String::new();
    for finding in &examination.findings {
        let _ = writeln!(text, "{finding}");
    }
    for part in &examination.not_checked {
        let _ = writeln!(text, "not checked: {}", printable(part));
    }
    let _ = writeln!(text, "{}", summary(&examination.findings));
    text
}

/// Returns the report as a JSON object in one line.
pub(super) fn json(examination: &Examination) -> String {
    let findings: Vec<Value> = examination.findings.iter().map(Finding::json).collect();
    format!("{}\n", json!({ "findings": findings, "not_checked": examination.not_checked }))
}

/// Returns the exit status.
pub(super) fn exit_code(examination: &Examination) -> ExitCode {
    match (examination.findings.is_empty(), examination.not_checked.is_empty()) {
        (false, _) => ExitCode::from(HAS_FINDINGS),
        (true, false) => ExitCode::from(COULD_NOT_LOOK),
        (true, true) => ExitCode::SUCCESS,
    }
}

fn summary(findings: &[Finding]) -> String {
    let count = |severity: Severity| {
        let count = findings.iter().filter(|finding| finding.check.severity == severity).count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {}{plural}", severity.name()))
    };
    let counts: Vec<String> =
        [Severity::Error, Severity::Warning].into_iter().filter_map(count).collect();
    match counts.is_empty() {
        true => "nothing found".into(),
        false => counts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Check;

    static BAD: Check = Check { id: "bad", severity: Severity::Error, page: "docs/ecs.md" };
    static ODD: Check = Check { id: "odd", severity: Severity::Warning, page: "docs/ecs.md" };

    #[test]
    fn errors_come_first_and_each_finding_once() {
        let odd = ODD.finding("odd", "seen\u{1b}[2J", "do");
        let findings = vec![odd.clone(), BAD.finding("bad", "seen", "do"), odd];
        let mut examination = Examination { findings, not_checked: vec!["the rest".into()] };
        sort(&mut examination);
        let expected = "error: bad [bad]\n  seen: seen\n  do:   do\n  see:  docs/ecs.md\n\n\
                        warning: odd [odd]\n  seen: seen\\u{1b}[2J\n  do:   do\n  see:  docs/ecs.md\n\n\
                        not checked: the rest\n1 error, 1 warning\n";
        assert_eq!(text(&examination), expected);
        let value: Value = serde_json::from_str(&json(&examination)).unwrap();
        assert_eq!(value["findings"][0]["id"], "bad");
        assert_eq!(value["findings"][1]["severity"], "warning");
        assert_eq!(value["not_checked"][0], "the rest");
        assert_eq!(exit_code(&examination), ExitCode::from(1));
    }

    #[test]
    fn nothing_found_is_success_only_if_all_was_checked() {
        let mut examination = Examination::default();
        assert_eq!(text(&examination), "nothing found\n");
        assert_eq!(exit_code(&examination), ExitCode::SUCCESS);
        examination.not_checked.push("pages".into());
        assert_eq!(exit_code(&examination), ExitCode::from(2));
    }
}
