//! The request for the file that the application names. It is a GET, unless the client's is a HEAD.

use http::Method;

use crate::rfc::request_parts::{FieldName, Headers, RequestParts};

/// Returns the method and the header fields that select what to send of the file.
pub(super) fn of_file<'a>(
    parts: &'a RequestParts,
    coding_alone: &'a mut Option<Headers>,
) -> (&'a Method, &'a Headers) {
    if parts.method == Method::GET || parts.method == Method::HEAD {
        return (&parts.method, &parts.headers);
    }
    // The preconditions and ranges of a POST concern its own resource, not this file.
    let kept = [FieldName::AcceptEncoding, FieldName::CdnLoop];
    (&Method::GET, coding_alone.insert(parts.headers.only(&kept)))
}
