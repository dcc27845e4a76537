//! Serves a file: decides what is to be sent, then renders it.

use std::{ops::Range, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::{local::Local, record::Record, reply, sendable::Sendable};
use crate::{
    body::{Body, FileStream},
    error::{Error, Kind},
    files::{Content, Entry, Found, is_hashed},
    rfc::{
        conditional::{self, Verdict},
        range::{self, Requested},
    },
    telemetry::Route,
};

/// What is sent of a file that was found.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole,
    Part(Range<u64>),
    NotModified,
    PreconditionFailed,
    RangeNotSatisfiable,
}

/// Answers with the file `name` below the root with this index.
pub(super) async fn serve(
    local: &Local,
    record: &mut Record,
    root: usize,
    name: &[u8],
) -> Result<Response<Body>, Error> {
    record.route = Route::Static;
    let method = &record.parts.method;
    if method != Method::GET && method != Method::HEAD {
        return Ok(reply::method_not_allowed(record, "GET, HEAD"));
    }
    if is_hidden(name) {
        return Ok(missing(record, name));
    }
    let entry = match local.app.store.fresh(root, name, record.begin) {
        Some(entry) => {
            local.metrics.file_store_hits.add(1);
            entry
        }
        None => {
            local.metrics.file_store_misses.add(1);
            match Arc::clone(&local.app.store).find(root, name).await {
                Ok(Found::File(entry)) => entry,
                Ok(Found::Directory | Found::Missing) => return Ok(missing(record, name)),
                Err(error) => return Err(Error::io(Kind::FileUnreadable, error)),
            }
        }
    };
    let outcome = decide(&record.parts.method, &record.parts.headers, &entry);
    Ok(render(record, &entry, outcome))
}

/// Directories, names that begin with a dot, and the manifest, which lists every file there is.
fn is_hidden(name: &[u8]) -> bool {
    name.is_empty()
        || name.ends_with(b"/")
        || name == b"staticfiles.json"
        || name.split(|&byte| byte == b'/').any(|segment| segment.starts_with(b"."))
}

fn decide(method: &Method, headers: &HeaderMap, entry: &Entry) -> Outcome {
    match conditional::evaluate(method, headers, entry.validators()) {
        Verdict::NotModified => return Outcome::NotModified,
        Verdict::PreconditionFailed => return Outcome::PreconditionFailed,
        Verdict::Proceed => {}
    }
    // A range is defined for GET only (RFC 9110, 14.2).
    if method != Method::GET {
        return Outcome::Whole;
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Outcome::Whole };
    let Ok(value) = value.to_str() else { return Outcome::Whole };
    if !conditional::range_allowed(headers, entry.validators()) {
        return Outcome::Whole;
    }
    match range::resolve(value, entry.size) {
        Requested::Whole => Outcome::Whole,
        Requested::Part(part) => Outcome::Part(part),
        Requested::Unsatisfiable => Outcome::RangeNotSatisfiable,
    }
}

fn render(record: &Record, entry: &Entry, outcome: Outcome) -> Response<Body> {
    let (status, range) = match outcome {
        Outcome::Whole => (StatusCode::OK, Some(0..entry.size)),
        Outcome::Part(part) => (StatusCode::PARTIAL_CONTENT, Some(part)),
        Outcome::NotModified => (StatusCode::NOT_MODIFIED, None),
        Outcome::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, None),
        Outcome::RangeNotSatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
    };
    let body = match &range {
        Some(range) if record.parts.method == Method::GET => content(record, entry, range.clone()),
        _ => Body::Empty,
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut headers = entry.head.clone();
    if status == StatusCode::PARTIAL_CONTENT
        && let Some(Range { start, end }) = range
    {
        let text = format!("bytes {start}-{}/{}", end - 1, entry.size);
        headers.insert(header::CONTENT_RANGE, ascii(text));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    }
    if status == StatusCode::NOT_MODIFIED {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::CONTENT_TYPE);
    }
    if status.is_client_error() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
        headers.remove(header::CONTENT_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        headers.insert(header::CONTENT_RANGE, ascii(format!("bytes */{}", entry.size)));
    }
    *response.headers_mut() = headers;
    response
}

fn content(record: &Record, entry: &Entry, range: Range<u64>) -> Body {
    match &entry.content {
        Content::Memory(bytes, file) => {
            let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(bytes.len());
            let end = usize::try_from(range.end).unwrap_or(usize::MAX).clamp(start, bytes.len());
            let bytes = bytes.slice(start..end);
            if let Some(file) = file {
                let sendable = Sendable::new(Arc::clone(file), bytes.clone(), range.start);
                record.connection.set_sendable(sendable);
            }
            Body::from(bytes)
        }
        Content::Disk(file) => Body::File(FileStream::new(Arc::clone(file), range)),
    }
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Answers 404. The name of another release's file must not be remembered as missing by any cache; any
/// other may be for a moment, so that a file which appears is soon found behind a cache as well.
fn missing(record: &Record, name: &[u8]) -> Response<Body> {
    let mut response = reply::not_found(record);
    if !is_hashed(name) {
        let brief = HeaderValue::from_static("public, max-age=5");
        response.headers_mut().insert(header::CACHE_CONTROL, brief);
    }
    response
}
