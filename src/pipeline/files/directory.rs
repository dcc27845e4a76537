//! Directories: the file that stands for one, and the way there for who left out its last slash.
//! Never a listing.

use http::{HeaderValue, Response, StatusCode, header};

use super::{absent, answer::answer, lookup::find};
use crate::{
    body::Body,
    error::Error,
    files::Found,
    pipeline::{local::Local, record::Record, route::FileName},
    plan::Root,
    rfc::target,
};

/// A directory's own address: the file that stands for it.
pub(super) async fn index(
    local: &Local,
    record: &Record,
    root: &Root,
    mut wanted: FileName<'_>,
) -> Result<Response<Body>, Error> {
    if let Some(index) = &root.index {
        wanted.name.to_mut().extend_from_slice(index.as_bytes());
        if let Found::File(entry) = find(local, record, &wanted).await? {
            return Ok(answer(record, &entry, root.rate));
        }
    }
    Ok(absent::missing(record, local.app.store(wanted.family), &wanted))
}

/// Sends a client that left out the last slash of a directory there.
pub(super) fn to_directory(record: &Record, root: &Root, wanted: &FileName<'_>) -> Response<Body> {
    let mut location = Vec::with_capacity(root.prefix.len() + wanted.name.len() + 1);
    // Encoded from the decoded path: what a client wrote could lead a browser to another host.
    for &byte in root.prefix.as_bytes().iter().chain(&*wanted.name).chain(b"/") {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                location.push(byte);
            }
            other => location.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    if let Some(query) = record.parts.query() {
        location.push(b'?');
        location.extend_from_slice(target::escape(query).as_bytes());
    }
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_bytes(&location) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    let brief = HeaderValue::from_static("public, max-age=60");
    headers.insert(header::CACHE_CONTROL, brief);
    response
}
