//! Reads an nginx configuration and writes the settings file that replaces it. Start with `files`, which reads the
//! directives.

mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lexer;
mod parser;
mod problem;
mod template;

pub use self::{parser::Directive, problem::ImportError};

use std::path::PathBuf;

/// Returns the directives of the files with their includes.
pub fn read(
    paths: &[PathBuf],
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Directive>, ImportError> {
    files::read(paths, variables)
}
