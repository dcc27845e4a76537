//! Stops a build for another system than Linux with one message in place of hundreds of compiler errors.
//! Nothing else is compiled there: Cargo.toml has dependencies for Linux only.

#![allow(clippy::disallowed_methods, reason = "cargo speaks to build scripts through variables")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system != "linux" {
        println!(
            "cargo::error=Sideman runs on Linux only, and this build is for {system}. \
             Run `docker build -t sideman .`, or build it in WSL 2 or a virtual machine with Linux."
        );
    }
}
