//! Reads an nginx configuration and writes the settings file that replaces it: `files` reads the directives,
//! `translate` makes settings of them.
//!
//! A route is never more open than its location was: what restricts access and is not understood closes the route
//! (`access`).
#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::too_many_arguments,
    reason = "a translation names the cases that it knows, and each step adds to the settings and to the report"
)]

mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lexer;
mod parser;
mod problem;
mod template;

mod accel;
mod access;
mod assemble;
mod auth;
mod closed;
mod content;
mod error_pages;
mod headers;
mod https;
mod known;
mod lifetimes;
mod location;
mod matcher;
mod plan;
mod policies;
mod precedence;
mod rates;
mod report;
mod response;
mod rewrites;
mod scope;
mod server_rules;
mod servers;
mod settings;
mod surroundings;
mod target;
mod text;
mod translate;
mod tries;
mod twins;
mod upstream_tls;
mod values;

#[cfg(test)]
mod tests;

pub use self::problem::ImportError;

use std::{fmt::Write as _, path::PathBuf};

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The settings file, with everything else as comments.
    pub text: String,
    /// The number of directives that were not translated.
    pub lost: usize,
    /// For a template: the text with a possible value for each placeholder.
    sample: Option<String>,
}

/// Reads the files with what they include, and writes the settings. `variables` has the values of placeholders.
pub fn import(
    paths: &[PathBuf],
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Import, ImportError> {
    let directives = files::read(paths, variables)?;
    Ok(written(&directives, paths))
}

// === impl Import ===

impl Import {
    /// The settings that can be checked.
    pub fn checkable(&self) -> &str {
        self.sample.as_deref().unwrap_or(&self.text)
    }

    /// Adds what the loader of settings says against them. Such a file cannot be used as it is.
    pub fn add_problems(&mut self, problems: &str) {
        self.lost += 1;
        self.text.push_str("\n# Not valid\n# ---------\n");
        for line in problems.lines() {
            let _ = writeln!(self.text, "# {}", report::comment(line));
        }
    }
}

fn written(directives: &[parser::Directive], paths: &[PathBuf]) -> Import {
    let (settings, report) = translate::translate(directives);
    let lost = report.lost_count();
    let mut text = String::new();
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let _ = writeln!(
        text,
        "# {}",
        report::comment(&format!("Made by `sideman import-nginx` from {}.", names.join(", ")))
    );
    let _ = writeln!(text, "# {}", summary(lost, translate::is_empty(&settings)));
    let before = text.len();
    settings.write(&mut text);
    if text.get(before..).is_some_and(template::has_marks) {
        let note = "# Like the imported file, it is a template: replace its placeholders in the same way.\n";
        text.insert_str(before, note);
    }
    report.write(&mut text);
    if !template::has_marks(&text) {
        return Import { text, lost, sample: None };
    }
    let sample = template::with_samples(&text);
    Import { text: template::restore(&text), lost, sample: Some(sample) }
}

fn summary(lost: usize, is_empty: bool) -> String {
    if is_empty {
        return "There is nothing to serve in it: no location with an application or files.".into();
    }
    match lost {
        0 => "Everything was translated.".into(),
        1 => "1 line was not translated: see \"Not translated\" below.".into(),
        lost => format!("{lost} lines were not translated: see \"Not translated\" below."),
    }
}
