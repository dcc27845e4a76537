//! `sideman --version`, and with `--verbose` how the program was built: what a report of a fault should say.

use std::{io, process::ExitCode};

/// Prints the version, and more if it is to be verbose.
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
    // That the output is closed is nobody's concern.
    let _ = output.write_all(text.as_bytes());
    ExitCode::SUCCESS
}
