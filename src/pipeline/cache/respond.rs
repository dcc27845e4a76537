//! Makes the response to a request from a stored one: conditions, ranges and HEAD (RFC 9111, 4.3.2; RFC 9110, 13 and
//! 14), in a coding that the client accepts.

use std::{borrow::Cow, ops::Range, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::{
    body::Body,
    cache::{Cache, StoredResponse},
    error::Error,
    pipeline::{
        compress::{self, Compression},
        request_context::RequestContext,
        response::Response,
    },
    rfc::{
        caching::{CacheStatus, MEMBER_LENGTH},
        conditional::{self, PreconditionResult, Validators},
        date,
        range::{self, RequestedRange, content_range},
        request_parts::{FieldName, Headers},
        response_lines::ResponseLines,
    },
};

/// What is sent of a stored response.
enum Selected {
    Whole,
    Part(Range<u64>),
    NotModified,
    PreconditionFailed,
    RangeNotSatisfiable,
}

/// Responds with a stored response at `now`, in seconds since 1970.
pub(super) fn respond(
    context: &RequestContext,
    cache: &Cache,
    stored: &Arc<StoredResponse>,
    (status, now): (CacheStatus, u64),
) -> Result<Response, Error> {
    let (method, headers) = (&context.parts.method, &context.parts.headers);
    if !is_conditional(headers) {
        return whole(context, cache, stored, (status, now));
    }
    match select(method, headers, stored, now) {
        Selected::Whole => whole(context, cache, stored, (status, now)),
        Selected::NotModified => Ok(not_modified(context, stored, (status, now))),
        Selected::Part(range) => part(stored, range, (status, now)),
        Selected::PreconditionFailed => {
            Ok(without_content(stored, StatusCode::PRECONDITION_FAILED, (status, now)))
        }
        Selected::RangeNotSatisfiable => {
            let code = StatusCode::RANGE_NOT_SATISFIABLE;
            let mut response = without_content(stored, code, (status, now));
            let size = format!("bytes */{}", stored.body.len());
            if let Ok(size) = HeaderValue::try_from(size) {
                response.head.headers.insert(header::CONTENT_RANGE, size);
            }
            Ok(response)
        }
    }
}

/// Whether a request may get something else than the whole response.
pub(super) fn is_conditional(headers: &Headers) -> bool {
    [FieldName::IfNoneMatch, FieldName::IfModifiedSince, FieldName::Range]
        .into_iter()
        .any(|name| headers.contains(name))
}

fn select(method: &Method, headers: &Headers, stored: &StoredResponse, now: u64) -> Selected {
    // Conditions and ranges are about what a GET would send with status 200 (RFC 9110, 13.2.1 and 14.2).
    if stored.status != StatusCode::OK {
        return Selected::Whole;
    }
    let (etag, modified) = stored.policy.validators();
    // Without a date of the last change, that of the response stands for it (RFC 9111, 4.3.2).
    let modified = modified.map_or_else(|| date_of(&stored.fields), date::parse);
    let current = Validators { etag, modified };
    match conditional::evaluate(method, headers, current) {
        PreconditionResult::NotModified => return Selected::NotModified,
        PreconditionResult::PreconditionFailed => return Selected::PreconditionFailed,
        PreconditionResult::Proceed => {}
    }
    if method != Method::GET || !headers.contains(FieldName::Range) {
        return Selected::Whole;
    }
    let mut ranges = headers.get_all(FieldName::Range);
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Selected::Whole };
    let Ok(value) = std::str::from_utf8(value) else { return Selected::Whole };
    if !conditional::range_allowed(headers, current, now) {
        return Selected::Whole;
    }
    match range::resolve(value, stored.body.len()) {
        // Several parts cost more than they save.
        RequestedRange::Whole | RequestedRange::Parts(_) => Selected::Whole,
        RequestedRange::Part(part) => Selected::Part(part),
        RequestedRange::Unsatisfiable => Selected::RangeNotSatisfiable,
    }
}

/// Returns the time of a response.
fn date_of(fields: &ResponseLines) -> Option<u64> {
    let mut values = fields.iter().filter(|(name, _)| *name == b"date");
    date::parse(std::str::from_utf8(values.next()?.1).ok()?)
}

/// Sends all of it, in a coding if that is worth it: in a form that is there already, or encoded now while one is made.
fn whole(
    context: &RequestContext,
    cache: &Cache,
    stored: &Arc<StoredResponse>,
    at: (CacheStatus, u64),
) -> Result<Response, Error> {
    let varying = varying(context, stored);
    let coding = varying.and_then(|_| compress::coding(&context.parts.headers));
    let form = match coding {
        None => None,
        Some(coding) => match stored.form(coding) {
            Some(form) => form.map(|form| (coding, form)),
            None => {
                cache.compress(stored, coding);
                return encoded_now(context, stored, at);
            }
        },
    };
    let is_get = context.parts.method == Method::GET;
    let (fields, body) = match form {
        Some((coding, form)) => {
            let make = |fields: &_| compress::encoded_fields(fields, (coding, form.len()));
            (Cow::Owned(stored.form_fields(coding, make)), Body::from(form.clone()))
        }
        None => {
            let body = if is_get { stored.body.part(0..stored.body.len())? } else { Body::Empty };
            (Cow::Borrowed(varying.unwrap_or(&stored.fields)), body)
        }
    };
    let mut response = Response::new(stored.status, if is_get { body } else { Body::Empty });
    response.head.reason.clone_from(&stored.reason);
    if context.takes_response_lines() {
        response.head.lines = with_status(&fields, stored, at);
    } else {
        response.head.headers = fields.to_map();
        add_status(&mut response.head.headers, stored, at);
    }
    Ok(response)
}

/// Returns the fields of a response that some clients get compressed.
fn varying<'a>(context: &RequestContext, stored: &'a StoredResponse) -> Option<&'a ResponseLines> {
    stored.varying.as_ref().filter(|_| compress::is_on(context))
}

/// Sends all of it, encoded for this client unless there is no time for that.
fn encoded_now(
    context: &RequestContext,
    stored: &StoredResponse,
    at: (CacheStatus, u64),
) -> Result<Response, Error> {
    let is_get = context.parts.method == Method::GET;
    let body = if is_get { stored.body.part(0..stored.body.len())? } else { Body::Empty };
    let mut lines = stored.fields.clone();
    let compression = Compression::of(&context.local, context, stored.status, &lines);
    compression.change_lines(&mut lines);
    let mut response = Response::new(stored.status, Body::Empty);
    response.head.reason.clone_from(&stored.reason);
    response.head.headers = lines.to_map();
    compression.change_head(&mut response.head.headers);
    add_status(&mut response.head.headers, stored, at);
    response.body = compression.body(context, body)?;
    Ok(response)
}

/// Confirms the response that the client has (RFC 9110, 15.4.5).
fn not_modified(
    context: &RequestContext,
    stored: &StoredResponse,
    (status, now): (CacheStatus, u64),
) -> Response {
    let fields = varying(context, stored).unwrap_or(&stored.fields);
    let lines = fields.filtered(|name| !describes_content(name));
    let code = StatusCode::NOT_MODIFIED;
    let compression = Compression::of(&context.local, context, code, &lines);
    let mut response = Response::new(code, Body::Empty);
    response.head.headers = lines.to_map();
    compression.change_head(&mut response.head.headers);
    add_status(&mut response.head.headers, stored, (status, now));
    response
}

fn part(
    stored: &StoredResponse,
    range: Range<u64>,
    (status, now): (CacheStatus, u64),
) -> Result<Response, Error> {
    let mut headers = stored.fields.to_map();
    if let Ok(text) = HeaderValue::try_from(content_range(&range, stored.body.len())) {
        headers.insert(header::CONTENT_RANGE, text);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let mut response = Response::new(StatusCode::PARTIAL_CONTENT, stored.body.part(range)?);
    response.head.headers = headers;
    add_status(&mut response.head.headers, stored, (status, now));
    Ok(response)
}

/// Responds with a status that says only why the content is not sent.
fn without_content(
    stored: &StoredResponse,
    code: StatusCode,
    (status, now): (CacheStatus, u64),
) -> Response {
    let mut response = Response::new(code, Body::Empty);
    let headers = &mut response.head.headers;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    for (name, value) in stored.fields.iter().filter(|(name, _)| matches!(*name, b"etag" | b"vary"))
    {
        let name = if name == b"etag" { header::ETAG } else { header::VARY };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    add_status(headers, stored, (status, now));
    response
}

/// Whether a field describes the content that a 304 does not have.
fn describes_content(name: &[u8]) -> bool {
    (name.starts_with(b"content-") && name != b"content-location") || name == b"accept-ranges"
}

/// Returns the fields with `Age` (RFC 9111, 5.1) and `Cache-Status`.
fn with_status(
    fields: &ResponseLines,
    stored: &StoredResponse,
    (status, now): (CacheStatus, u64),
) -> ResponseLines {
    const ROOM: usize = b"age: 4294967295\r\ncache-status: \r\n".len() + MEMBER_LENGTH;
    fields.with_lines(ROOM, |text| {
        if let Some(age) = age(stored, (status, now)) {
            text.extend_from_slice(b"age: ");
            text.extend_from_slice(itoa::Buffer::new().format(age).as_bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"cache-status: ");
        status.write_member(text);
        text.extend_from_slice(b"\r\n");
    })
}

/// Returns the age to send. `Age: 0` would say that the application has not been asked.
fn age(stored: &StoredResponse, (status, now): (CacheStatus, u64)) -> Option<u64> {
    let age = stored.policy.age(now);
    (status.forwarded.is_none() || age > 0).then_some(age)
}

fn add_status(headers: &mut HeaderMap, stored: &StoredResponse, (status, now): (CacheStatus, u64)) {
    if let Some(age) = age(stored, (status, now)) {
        headers.insert(header::AGE, HeaderValue::from(age));
    }
    if let Ok(member) = HeaderValue::from_bytes(&status.member()) {
        headers.append("cache-status", member);
    }
}
