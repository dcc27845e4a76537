//! `sideman doctor`: one broken deployment for each finding, and healthy ones without any.

mod files;
mod running;
mod services;

use serde_json::Value;

use crate::support::Ended;

/// The identifiers of the findings that a run printed as JSON.
#[track_caller]
fn ids(ended: &Ended) -> Vec<String> {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let findings = report["findings"].as_array().unwrap();
    for finding in findings {
        for key in ["id", "severity", "what", "seen", "do", "see"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
        }
    }
    assert_eq!(ended.code, Some(i32::from(!findings.is_empty())), "{ended:?}");
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}
