//! Tests that this machine cannot run are listed after the results, or fail if skips are not allowed.

use std::process::{Command, Output};

/// Runs a test that needs promtool, without promtool on PATH.
fn without_promtool(skip_nothing: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "telemetry::promtool::alerts_fire_when_they_should"]);
    command.env("PATH", "/nonexistent").env_remove("SIDEMAN_SKIP_NOTHING");
    command.envs(skip_nothing.map(|value| ("SIDEMAN_SKIP_NOTHING", value)));
    command.output().unwrap()
}

#[test]
fn missing_program_is_listed_with_its_package() {
    let output = without_promtool(None);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stderr);
    let expected = "telemetry::promtool::alerts_fire_when_they_should: promtool is not installed; \
                    install the package prometheus\n";
    assert!(printed.contains("skipped:\n  ") && printed.contains(expected), "{printed}");
}

#[test]
fn a_skip_is_a_failure_where_nothing_may_be_skipped() {
    let output = without_promtool(Some("1"));
    assert!(!output.status.success(), "{output:?}");
    let printed = String::from_utf8_lossy(&output.stdout);
    let expected = "promtool is not installed; install the package prometheus";
    assert!(printed.contains("1 failed") && printed.contains(expected), "{printed}");
}
