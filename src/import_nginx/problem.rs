//! Where something is in the files that are imported, and what is wrong there.

use std::{fmt, rc::Rc};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: Rc<str>,
    pub(super) line: u32,
}

/// A text that is no nginx configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: u32,
    pub(super) message: String,
}

/// Why nothing can be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// The line; none if the file could not be read at all.
    place: Option<Place>,
    message: String,
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

// === impl SyntaxError ===

impl SyntaxError {
    pub(super) fn new(line: u32, message: &str) -> Self {
        Self { line, message: message.to_owned() }
    }

    pub(super) fn in_file(self, file: &Rc<str>) -> ImportError {
        let place = Place { file: Rc::clone(file), line: self.line };
        ImportError { place: Some(place), message: self.message }
    }
}

// === impl ImportError ===

impl ImportError {
    pub(super) fn at(place: &Place, message: String) -> Self {
        Self { place: Some(place.clone()), message }
    }

    pub(super) fn without_place(message: String) -> Self {
        Self { place: None, message }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(out, "{place}: ")?;
        }
        // Words of the file may hold control characters, which must not reach a terminal.
        for letter in super::template::restore(&self.message).chars() {
            match letter.is_control() {
                true => write!(out, "{}", letter.escape_default())?,
                false => write!(out, "{letter}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ImportError {}
