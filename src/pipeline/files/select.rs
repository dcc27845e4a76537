//! Decides which representation of a file is sent, and what of it (RFC 9110, 13.2.2 and 14.2).

use std::{ops::Range, time::SystemTime};

use http::Method;

use crate::{
    files::{Entry, Representation},
    rfc::{
        conditional::{self, Verdict},
        date,
        range::{self, Requested},
        request_parts::{Headers, Name},
    },
};

/// What is sent of a representation.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Outcome {
    Whole,
    Part(Range<u64>),
    /// At least two, each within the size.
    Parts(Vec<Range<u64>>),
    NotModified,
    PreconditionFailed,
    RangeNotSatisfiable,
}

/// The representation and what of it is sent; `None` if the client accepts no coding there is.
pub(in crate::pipeline) fn select<'a>(
    method: &Method,
    headers: &Headers,
    entry: &'a Entry,
) -> Option<(&'a Representation, Outcome)> {
    let representation = entry.negotiate(headers)?;
    Some((representation, outcome(method, headers, representation)))
}

fn outcome(method: &Method, headers: &Headers, representation: &Representation) -> Outcome {
    match conditional::evaluate(method, headers, representation.validators()) {
        Verdict::NotModified => return Outcome::NotModified,
        Verdict::PreconditionFailed => return Outcome::PreconditionFailed,
        Verdict::Proceed => {}
    }
    // A range is defined for GET only (RFC 9110, 14.2).
    if method != Method::GET {
        return Outcome::Whole;
    }
    let mut ranges = headers.get_all(Name::Range);
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Outcome::Whole };
    let Ok(value) = std::str::from_utf8(value) else { return Outcome::Whole };
    let now = date::seconds(SystemTime::now());
    if !conditional::range_allowed(headers, representation.validators(), now) {
        return Outcome::Whole;
    }
    match range::resolve(value, representation.size) {
        Requested::Whole => Outcome::Whole,
        Requested::Part(part) => Outcome::Part(part),
        // Parts that are read one after the other would be of several versions.
        Requested::Parts(_) if !representation.is_settled() => Outcome::Whole,
        Requested::Parts(parts) => Outcome::Parts(parts),
        Requested::Unsatisfiable => Outcome::RangeNotSatisfiable,
    }
}
