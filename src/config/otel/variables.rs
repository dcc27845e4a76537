//! The variables with their values, and problems about them.

use std::{ffi::OsStr, fmt};

use crate::config::{environment::Environment, problem::Problem, secret};

/// The environment, and what is wrong with the variables that were read.
#[derive(Debug)]
pub(super) struct OtelVariables<'a> {
    environment: &'a Environment,
    pub(super) problems: Vec<Problem>,
}

/// A variable that is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtelVariable<'a> {
    name: &'static str,
    pub(super) text: &'a str,
}

// === impl OtelVariables ===

impl<'a> OtelVariables<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, problems: Vec::new() }
    }

    /// Returns the first of the variables that is set. An empty one counts as not set.
    pub(super) fn find(&mut self, names: &[&'static str]) -> Option<OtelVariable<'a>> {
        for &name in names {
            let Some(value) = self.environment.get(OsStr::new(name)) else { continue };
            match value.to_str().map(str::trim) {
                Some("") => {}
                Some(text) => return Some(OtelVariable { name, text }),
                None => {
                    let fault = "the value is not valid UTF-8".to_owned();
                    self.problems.push(Problem::about(None, name, fault));
                }
            }
        }
        None
    }

    /// Reads a value. `None` after a problem.
    pub(super) fn read<T>(
        &mut self,
        variable: OtelVariable<'a>,
        parse: impl Fn(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        self.report(variable.to_string(), parse(variable.text))
    }

    /// Reads a URL, in which problems show no password.
    pub(super) fn read_address<T>(
        &mut self,
        variable: OtelVariable<'a>,
        parse: impl Fn(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        let shown = format!("{} = {:?}", variable.name, secret::masked_url(variable.text));
        self.report(shown, parse(variable.text))
    }

    /// Reads a value that problems do not show. The faults must not have any part of it either.
    pub(super) fn read_secret<T>(
        &mut self,
        variable: OtelVariable<'a>,
        parse: impl Fn(&'a str) -> Result<T, String>,
    ) -> Option<T> {
        self.report(format!("{} = (not shown)", variable.name), parse(variable.text))
    }

    fn report<T>(&mut self, subject: String, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                self.problems.push(Problem::about(None, subject, fault));
                None
            }
        }
    }
}

// === impl OtelVariable ===

impl<'a> OtelVariable<'a> {
    /// Returns the items of a list.
    pub(super) fn words(self) -> impl Iterator<Item = &'a str> {
        self.text.split(',').map(str::trim)
    }
}

impl fmt::Display for OtelVariable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}", self.name, secret::masked(self.text))
    }
}
