//! Stops a build for another system than Linux with one message in place of hundreds of compiler errors. Nothing else
//! is compiled there: Cargo.toml has dependencies for Linux only. It also tells the program how it was built.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to build scripts through variables")]

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system != "linux" {
        println!(
            "cargo::error=Sideman runs on Linux only, and this build is for {system}. \
             Run `docker build -t sideman .`, or build it in WSL 2 or a virtual machine with Linux."
        );
    }
    println!("cargo::rerun-if-env-changed=SIDEMAN_REVISION");
    let revision = env::var("SIDEMAN_REVISION").unwrap_or_else(|_| "unknown".into());
    let compiler = env::var("RUSTC").ok().and_then(|compiler| {
        let output = Command::new(compiler).arg("--version").output().ok()?;
        String::from_utf8(output.stdout).ok()
    });
    let target = env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=SIDEMAN_REVISION={revision}");
    println!(
        "cargo::rustc-env=SIDEMAN_COMPILER={}",
        compiler.as_deref().unwrap_or("unknown").trim()
    );
    println!("cargo::rustc-env=SIDEMAN_TARGET={target}");
}
