//! Prometheus' own checks: `promtool check metrics`, `check rules`, and `test rules`, which checks when alerts
//! fire.

use super::names::queries;
use crate::support::{App, Settings, TempDir, Tool};

/// The output of promtool, which must report success; `None` if it is not installed.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Option<String> {
    let output = Tool::Promtool.run(arguments, input)?;
    let (out, err) = (output.stdout, output.stderr);
    let said = format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    Some(said)
}

#[test]
fn metrics_pass_promtool() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    directory.write("a.css", "a{}");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("tls.listen", "127.0.0.1:0")
        .set("tls.self_signed", "true")
        .start()
        .until_ready();
    // Every kind of series exists.
    assert_eq!(sideman.get("/").text(), "hello");
    assert_eq!(sideman.get("/static/a.css").text(), "a{}");
    assert_eq!(sideman.get("/static/none.css").status, 404);
    let route = [("route", "static")];
    sideman.until_metric("sideman_request_duration_seconds_count", &route, 2.0);
    let response = sideman.admin_get("/metrics");
    let kind = response.header("content-type").unwrap_or_default();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text();
    for word in [" counter\n", " gauge\n", " histogram\n", "_info{", "process_"] {
        assert!(text.contains(word), "nothing of {word:?} in\n{text}");
    }
    if let Some(said) = promtool(&["check", "metrics"], &text) {
        assert_eq!(said, "");
    }
}

#[test]
fn alert_rules_pass_promtool() {
    let Some(said) = promtool(&["check", "rules", "config/deploy/alerts.yaml"], "") else { return };
    assert!(said.contains("SUCCESS"), "{said}");
}

/// As rules, which can be checked without a server.
#[test]
fn dashboard_queries_are_valid() {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for query in queries() {
        let query = query.replace("$__rate_interval", "5m");
        rules.push_str(&format!("  - record: dashboard:query\n    expr: {query:?}\n"));
        rules.push_str(&format!("    labels:\n      query: {query:?}\n"));
    }
    let directory = TempDir::new();
    directory.write("rules.yaml", rules);
    let path = directory.path().join("rules.yaml");
    let Some(said) = promtool(&["check", "rules", path.to_str().unwrap()], "") else { return };
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn alerts_fire_when_they_should() {
    promtool(&["test", "rules", "tests/it/telemetry/alerts.yaml"], "");
}
