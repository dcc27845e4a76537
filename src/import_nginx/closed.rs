//! Places that must be closed, because something that restricts access was not translated.

use super::{
    parser::Directive,
    problem::Place,
    report::{self, Report},
};

/// The restrictions of a location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    /// Why it must be closed.
    pub(super) closed: Option<String>,
    /// The only methods that are allowed, and the response to others.
    pub(super) methods: Option<(Vec<String>, String)>,
}

/// Closes a place because of a directive.
pub(super) fn close(directive: &Directive, remedy: &str, access: &mut Access, report: &mut Report) {
    report.lost(directive, format!("{remedy}. Until then what it protects responds 403"));
    let reason = || reason(&directive.place, &report::shown(directive));
    access.closed.get_or_insert_with(reason);
}

fn reason(place: &Place, directive: &str) -> String {
    format!("{place}: {directive} is not translated")
}
