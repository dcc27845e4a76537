//! Answers with a file that was found.

use http::{HeaderValue, Response, header};

use super::{render, select};
use crate::{
    body::Body,
    files::Entry,
    pipeline::{record::Record, reply},
};

/// Sends what the request asks for of a file that was found. `rate` is in bytes a second.
pub(in crate::pipeline) fn answer(
    record: &Record,
    entry: &Entry,
    rate: Option<u64>,
) -> Response<Body> {
    match select::select(&record.parts.method, &record.parts.headers, entry) {
        Some((representation, outcome)) => render::render(record, representation, outcome, rate),
        None => {
            let mut response = reply::not_acceptable(record);
            let vary = HeaderValue::from_static("accept-encoding");
            response.headers_mut().insert(header::VARY, vary);
            response
        }
    }
}
