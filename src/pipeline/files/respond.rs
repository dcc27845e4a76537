//! Makes the response from the outcome of a request for a file.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::resolve::FileOutcome;
use crate::{
    body::Body,
    pipeline::{
        local_file::{FileStatus, HeaderSource, render},
        request_context::RequestContext,
        response::Response,
        status_page,
    },
    plan::Cors,
    rfc::{
        caching::{ResponseDirectives, Restriction, delta_seconds},
        target,
    },
};

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Returns the response for an outcome.
pub(super) fn respond(context: &RequestContext, outcome: FileOutcome) -> Response {
    let method = &context.parts.method;
    match outcome {
        FileOutcome::File { representation, status, rate, private_for } => {
            // Rules change single fields, and HTTP/2 encodes them in its own way.
            let source = match private_for.is_none() && context.takes_response_lines() {
                true => HeaderSource::Lines,
                false => HeaderSource::Fields,
            };
            let mut response = render(method, &representation, status, (rate, source));
            if let Some(time) = private_for {
                keep_private(&mut response, time);
            }
            response
        }
        FileOutcome::SinglePage { representation, status } => {
            let source = (None, HeaderSource::Fields);
            let mut response = render(method, &representation, status, source);
            // Clients that ask for something else get a 404.
            response.head.headers.append(header::VARY, HeaderValue::from_static("accept"));
            response
        }
        FileOutcome::CurrentVersion(representation) => {
            // This is not the file that was requested. So preconditions and ranges do not apply, and it must not be
            // cached.
            let whole = (None, HeaderSource::Fields);
            let mut response = render(method, &representation, FileStatus::Whole, whole);
            let forget = HeaderValue::from_static("no-store");
            response.head.headers.insert(header::CACHE_CONTROL, forget);
            response
        }
        FileOutcome::Fallback(response) => *response,
        FileOutcome::Object { mut response, private_for } => {
            if let Some(time) = private_for {
                keep_private(&mut response, time);
            }
            *response
        }
        FileOutcome::NotAcceptable => status_page::not_acceptable(context),
        FileOutcome::RedirectToDirectory => redirect_to_directory(context),
        FileOutcome::Options(cors) => options(cors),
        FileOutcome::MethodNotAllowed => status_page::method_not_allowed(context, ALLOW),
        FileOutcome::NotFound { is_cacheable: true } => status_page::not_found_for_now(context),
        FileOutcome::NotFound { is_cacheable: false } => status_page::not_found(context),
    }
}

/// Lets only the client keep the file, for at most `time`, and no longer than the stored object may be kept. Responses
/// without `Cache-Control` and those that must not be stored stay as they are.
fn keep_private(response: &mut Response, time: Duration) {
    let head = &mut response.head;
    // A stored object may come with lines.
    if !head.lines.as_bytes().is_empty() {
        head.headers = std::mem::take(&mut head.lines).to_map();
    }
    let headers = &mut head.headers;
    if !headers.contains_key(header::CACHE_CONTROL) {
        return;
    }
    let fields = headers.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    let own = ResponseDirectives::parse(fields);
    if own.no_store {
        return;
    }
    // That of the object in the cache. The lifetime below is what is left of it.
    let age = headers.remove(header::AGE);
    let age = age.and_then(|age| delta_seconds(age.as_bytes())).unwrap_or(0);
    let left = own.max_age.map(|own| own.saturating_sub(age));
    let time = left.unwrap_or(u64::MAX).min(time.as_secs());
    let mut text = format!("private, max-age={time}");
    for (is_there, directive) in [
        (own.no_cache != Restriction::None, ", no-cache"),
        (own.must_revalidate, ", must-revalidate"),
    ] {
        if is_there {
            text += directive;
        }
    }
    let value = HeaderValue::from_maybe_shared(Bytes::from(text));
    // Digits are always valid.
    let value = value.unwrap_or(HeaderValue::from_static("no-store"));
    headers.insert(header::CACHE_CONTROL, value);
}

/// Redirects to the path with a trailing slash.
fn redirect_to_directory(context: &RequestContext) -> Response {
    let path = context.path.or_raw();
    let mut location = Vec::with_capacity(path.len() + 1);
    // Encoded from the decoded path: the client's own spelling could lead a browser to another host.
    target::escape_path(path, &mut location);
    location.push(b'/');
    if let Some(query) = context.parts.query() {
        location.push(b'?');
        location.extend_from_slice(target::escape(query).as_bytes());
    }
    let mut response = Response::new(StatusCode::MOVED_PERMANENTLY, Body::Empty);
    let headers = &mut response.head.headers;
    if let Ok(location) = HeaderValue::from_bytes(&location) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    let brief = HeaderValue::from_static("public, max-age=60");
    headers.insert(header::CACHE_CONTROL, brief);
    response
}

/// Lists the allowed methods of a file (RFC 9110, 9.3.7), also in response to a preflight.
fn options(cors: Cors) -> Response {
    let mut response = Response::new(StatusCode::NO_CONTENT, Body::Empty);
    let headers = &mut response.head.headers;
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    if cors != Cors::None {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "range, if-range"),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
