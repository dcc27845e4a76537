//! Turns the decision about a file into a response.

use std::{ops::Range, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::select::FileStatus;
use crate::{
    body::{AllowedChanges, Body, FileStream, SealedPart, is_sendable},
    files::{FileContent, Representation},
    pipeline::response::Response,
    rfc::{multipart, range::content_range},
};

/// Where the header of a file's response comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum HeaderSource {
    /// The representation's fields, one by one.
    Fields,
    /// The header lines as HTTP/1 writes them, made when the file was loaded. No single field can be changed.
    Lines,
}

/// Makes the response to a request for a file, with the semantics of `method`. `rate` is in bytes a second.
pub(in crate::pipeline) fn render(
    method: &Method,
    representation: &Representation,
    status: FileStatus,
    (rate, source): (Option<u64>, HeaderSource),
) -> Response {
    if source == HeaderSource::Lines && status == FileStatus::Whole && representation.is_settled() {
        let whole = 0..representation.size;
        let body = (method == Method::GET).then(|| single(representation, whole, rate));
        let mut response =
            Response::new(StatusCode::OK, body.unwrap_or_default().paced(rate.unwrap_or(0)));
        response.head.lines = representation.lines();
        return response;
    }
    let is_get = method == Method::GET;
    let (status, headers, body) = match status {
        FileStatus::Whole if is_get && let Some((stream, size)) = unsettled(representation) => {
            let mut headers = representation.head.clone();
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            (StatusCode::OK, headers, Some(Body::File(stream)))
        }
        FileStatus::Whole => {
            let whole = 0..representation.size;
            let body = is_get.then(|| single(representation, whole, rate));
            (StatusCode::OK, representation.head.clone(), body)
        }
        FileStatus::Part(range) => {
            let mut headers = representation.head.clone();
            let text = content_range(&range, representation.size);
            headers.insert(header::CONTENT_RANGE, ascii(text));
            let length = HeaderValue::from(range.end - range.start);
            headers.insert(header::CONTENT_LENGTH, length);
            let body = single(representation, range, rate);
            (StatusCode::PARTIAL_CONTENT, headers, Some(body))
        }
        FileStatus::Parts(ranges) => {
            let mut headers = representation.head.clone();
            let (body, length, media_type) = multiple(representation, &ranges);
            headers.insert(header::CONTENT_TYPE, media_type);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            (StatusCode::PARTIAL_CONTENT, headers, Some(body))
        }
        FileStatus::NotModified => (StatusCode::NOT_MODIFIED, representation.not_modified(), None),
        FileStatus::PreconditionFailed => {
            (StatusCode::PRECONDITION_FAILED, refusal(representation), None)
        }
        FileStatus::RangeNotSatisfiable => {
            let mut headers = refusal(representation);
            let size = ascii(format!("bytes */{}", representation.size));
            headers.insert(header::CONTENT_RANGE, size);
            (StatusCode::RANGE_NOT_SATISFIABLE, headers, None)
        }
    };
    let body = body.unwrap_or_default().paced(rate.unwrap_or(0));
    let mut response = Response::new(status, body);
    response.head.headers = headers;
    response
}

/// Returns the header fields of a response without the file's contents.
fn refusal(representation: &Representation) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for name in [header::ETAG, header::VARY, header::ACCEPT_RANGES] {
        if let Some(value) = representation.head.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

fn single(representation: &Representation, range: Range<u64>, rate: Option<u64>) -> Body {
    if let FileContent::Memory(bytes, Some(file)) = &representation.content
        && rate.is_none()
        // A short part is cheaper to copy.
        && is_sendable(range.end - range.start)
    {
        let bytes = slice(bytes, &range);
        return Body::Sealed(SealedPart { bytes, file: Arc::clone(file), offset: range.start });
    }
    part(representation, range, changes(representation))
}

fn part(representation: &Representation, range: Range<u64>, changes: AllowedChanges) -> Body {
    match &representation.content {
        FileContent::Memory(bytes, _) => Body::from(slice(bytes, &range)),
        FileContent::Disk(file, version) => {
            let stream = FileStream::new(Arc::clone(file), range, *version);
            let stream = stream.allowing(changes);
            Body::File(if representation.is_write_once { stream.write_once() } else { stream })
        }
    }
}

/// Returns a file that changes all the time, with its length as it is now, not as it was when found.
fn unsettled(representation: &Representation) -> Option<(FileStream, u64)> {
    match &representation.content {
        FileContent::Disk(file, _) if !representation.is_settled() => FileStream::whole_file(file),
        FileContent::Disk(..) | FileContent::Memory(..) => None,
    }
}

/// Returns how the file may change while it is sent.
fn changes(representation: &Representation) -> AllowedChanges {
    match &representation.content {
        FileContent::Disk(..) if !representation.is_settled() => AllowedChanges::Any,
        FileContent::Disk(_, version) if version.was_changed_recently(SystemTime::now()) => {
            AllowedChanges::Growth
        }
        FileContent::Disk(..) | FileContent::Memory(..) => AllowedChanges::None,
    }
}

/// Makes the body of several parts, its length and its type (RFC 9110, 14.6).
fn multiple(representation: &Representation, ranges: &[Range<u64>]) -> (Body, u64, HeaderValue) {
    // Long enough that no content contains it by chance, and unpredictable.
    let boundary = format!("{:032x}", fastrand::u128(..));
    let media_type = representation.head.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let framing = multipart::frame(&boundary, media_type, ranges, representation.size);
    let mut bodies = Vec::with_capacity(ranges.len() * 2 + 1);
    for (before, range) in framing.before.into_iter().zip(ranges) {
        bodies.push(Body::from(Bytes::from(before)));
        // Each part would be compared with itself alone.
        bodies.push(part(representation, range.clone(), AllowedChanges::None));
    }
    bodies.push(Body::from(Bytes::from(framing.closing)));
    (Body::chain(bodies), framing.length, ascii(multipart::content_type(&boundary)))
}

/// Returns a part of contents in memory.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(bytes.len());
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).clamp(start, bytes.len());
    bytes.slice(start..end)
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
