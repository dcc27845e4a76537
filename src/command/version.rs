//! `sideman --version`, and with `--verbose` the build details that a bug report should contain.

use std::{io, process::ExitCode};

/// Prints the version, and the build details if `verbose` is set.
pub(super) fn print(is_verbose: bool, output: &mut dyn io::Write) -> ExitCode {
    let mut text = concat!("sideman ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    if is_verbose {
        text += concat!(
            "commit: ",
            env!("SIDEMAN_REVISION"),
            "\nsystem: ",
            env!("SIDEMAN_TARGET"),
            "\ncompiler: ",
            env!("SIDEMAN_COMPILER"),
            "\nTLS: rustls with aws-lc-rs\n"
        );
    }
    // A closed output is not an error here.
    let _ = output.write_all(text.as_bytes());
    ExitCode::SUCCESS
}
