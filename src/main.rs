//! Reads the command line and the environment, and calls the command.

mod allocator;

use std::{
    borrow::Cow,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use sideman::{command, config};

#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

fn main() -> ExitCode {
    match command::args::Cli::try_parse() {
        Ok(cli) => command::call(&cli, &config::environment()),
        Err(error) => {
            // Help and version come here too; that the output is closed is nobody's concern.
            let text = error.to_string();
            let _ = match config::masked(&text) {
                // An argument may be a URL with a password.
                Cow::Owned(masked) => io::stderr().write_all(masked.as_bytes()),
                Cow::Borrowed(_) => error.print(),
            };
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}
