//! Answers with a file that was found.

use http::{HeaderValue, Response, header};

use super::{
    render::{HeaderSource, render},
    select::select,
};
use crate::{
    body::Body,
    files::Entry,
    pipeline::{record::Record, reply},
    rfc::request_parts::{Headers, Name},
};

/// Sends what the request asks for of a file that was found. `rate` is in bytes a second.
pub(in crate::pipeline) fn answer(
    record: &Record,
    entry: &Entry,
    rate: Option<u64>,
) -> Response<Body> {
    let method = &record.parts.method;
    match select(method, &record.parts.headers, entry) {
        Some((representation, outcome)) => {
            // Rules change single fields, and HTTP/2 writes them in its own way.
            let source = match record.takes_ready_lines() {
                true => HeaderSource::ReadyLines,
                false => HeaderSource::Fields,
            };
            render(method, representation, outcome, (rate, source))
        }
        None => not_acceptable(record),
    }
}

/// Sends all of a file that is not quite what was asked for: what the client has of the other tells
/// nothing about this one, so preconditions and ranges are left aside.
pub(super) fn whole(record: &Record, entry: &Entry) -> Response<Body> {
    let parts = &record.parts;
    match select(&parts.method, &codings_alone(&parts.headers), entry) {
        Some((representation, outcome)) => {
            render(&parts.method, representation, outcome, (None, HeaderSource::Fields))
        }
        None => not_acceptable(record),
    }
}

/// Of a request's fields those that choose a representation: neither preconditions nor ranges.
pub(in crate::pipeline) fn codings_alone(headers: &Headers) -> Headers {
    headers.only(&[Name::AcceptEncoding])
}

/// Tells a client that accepts no coding which the file is there in.
pub(in crate::pipeline) fn not_acceptable(record: &Record) -> Response<Body> {
    let mut response = reply::not_acceptable(record);
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().insert(header::VARY, vary);
    response
}
