//! A build for another system than Linux stops with one message, before anything is compiled for it.

use std::process::Command;

use crate::support::TempDir;

#[test]
fn a_build_for_another_system_stops_with_a_remedy() {
    let directory = TempDir::new();
    for (target, system) in [
        ("aarch64-apple-darwin", "macos"),
        ("x86_64-pc-windows-msvc", "windows"),
        ("x86_64-unknown-freebsd", "freebsd"),
    ] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("check").arg("--target-dir");
        cargo.arg(directory.path()).args(["--locked", "--color=never"]);
        let output = cargo.args(["--bin", "sideman", "--target", target]).output().unwrap();
        assert!(!output.status.success(), "{target}");
        let printed = String::from_utf8_lossy(&output.stderr);
        let errors: Vec<&str> = printed.lines().filter(|line| line.starts_with("error")).collect();
        assert!(
            errors.len() == 2 && errors[1].ends_with("build script logged errors"),
            "{printed}"
        );
        for part in ["Linux only", system, "docker build", "WSL 2", "virtual machine"] {
            assert!(errors[0].contains(part), "{part} in {printed}");
        }
    }
}
