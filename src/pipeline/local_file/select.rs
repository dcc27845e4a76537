//! Decides which representation of a file is sent, and which part of it (RFC 9110, 13.2.2 and 14.2).

use std::{ops::Range, sync::Arc, time::SystemTime};

use http::Method;

use crate::{
    files::{FileEntry, Representation, SelectedRepresentation},
    rfc::{
        conditional::{self, PreconditionResult},
        date,
        range::{self, RequestedRange},
        request_parts::{FieldName, Headers},
    },
};

/// The status of a response with a file, and the part of the representation to send.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum FileStatus {
    Whole,
    Part(Range<u64>),
    /// At least two ranges, each within the size.
    Parts(Vec<Range<u64>>),
    NotModified,
    PreconditionFailed,
    RangeNotSatisfiable,
}

/// Selects a representation and the part of it to send; `None` if the client accepts no available coding.
pub(in crate::pipeline) fn select(
    method: &Method,
    headers: &Headers,
    entry: Arc<FileEntry>,
) -> Option<(SelectedRepresentation, FileStatus)> {
    let representation = entry.negotiate(headers)?;
    let status = status(method, headers, &representation);
    Some((representation, status))
}

fn status(method: &Method, headers: &Headers, representation: &Representation) -> FileStatus {
    match conditional::evaluate(method, headers, representation.validators()) {
        PreconditionResult::NotModified => return FileStatus::NotModified,
        PreconditionResult::PreconditionFailed => return FileStatus::PreconditionFailed,
        PreconditionResult::Proceed => {}
    }
    // A range is defined for GET only (RFC 9110, 14.2).
    if method != Method::GET {
        return FileStatus::Whole;
    }
    let mut ranges = headers.get_all(FieldName::Range);
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return FileStatus::Whole };
    let Ok(value) = std::str::from_utf8(value) else { return FileStatus::Whole };
    let now = date::seconds(SystemTime::now());
    if !conditional::range_allowed(headers, representation.validators(), now) {
        return FileStatus::Whole;
    }
    match range::resolve(value, representation.size) {
        RequestedRange::Whole => FileStatus::Whole,
        RequestedRange::Part(part) => FileStatus::Part(part),
        // The parts are read one after the other, so they would be of several versions.
        RequestedRange::Parts(_) if !representation.is_settled() => FileStatus::Whole,
        RequestedRange::Parts(parts) => FileStatus::Parts(parts),
        RequestedRange::Unsatisfiable => FileStatus::RangeNotSatisfiable,
    }
}
