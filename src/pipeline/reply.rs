//! The answers that Sideman gives itself. The only place where an error becomes a status.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::record::{Record, X_REQUEST_ID};
use crate::{
    body::Body,
    error::{Error, Kind, Side},
};

const NO_FILE: &str = "There is no such file here.";

/// The answer to a request that failed.
pub(super) fn failure(record: &mut Record, error: &Error) -> Response<Body> {
    let kind = error.kind();
    record.error = Some(kind);
    match kind.side() {
        Side::Client => tracing::debug!(%error, "request refused"),
        Side::Us | Side::Upstream => tell(record, error, kind.side()),
    }
    let mut response = page(record, status(kind), explanation(kind));
    if closes(kind) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A file that is not there.
pub(super) fn not_found(record: &Record) -> Response<Body> {
    page(record, StatusCode::NOT_FOUND, NO_FILE)
}

/// The same, for caches to keep for a moment. It names no request: it would be another's.
pub(super) fn not_found_for_now(record: &Record) -> Response<Body> {
    static PAGE: LazyLock<Bytes> =
        LazyLock::new(|| text_of_page(StatusCode::NOT_FOUND, NO_FILE, "").into());
    let mut response = html(record, StatusCode::NOT_FOUND, PAGE.clone());
    let brief = HeaderValue::from_static("public, max-age=5");
    response.headers_mut().insert(header::CACHE_CONTROL, brief);
    response
}

/// A client that accepts no coding there is (RFC 9110, 15.5.7).
pub(super) fn not_acceptable(record: &Record) -> Response<Body> {
    let text = "The file is not there in any coding that Accept-Encoding allows.";
    page(record, StatusCode::NOT_ACCEPTABLE, text)
}

/// 405 with the methods that are allowed.
pub(super) fn method_not_allowed(record: &Record, allow: &'static str) -> Response<Body> {
    let text = "This address can only be read.";
    let mut response = page(record, StatusCode::METHOD_NOT_ALLOWED, text);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::HostMissing
        | Kind::HostRepeated
        | Kind::HostInvalid
        | Kind::TargetInvalid
        | Kind::ClientBody
        | Kind::ClientGone
        | Kind::PathInvalid => StatusCode::BAD_REQUEST,
        // RFC 9112, 6.1.
        Kind::CodingUnknown => StatusCode::NOT_IMPLEMENTED,
        Kind::ClientBodyTimeout => StatusCode::REQUEST_TIMEOUT,
        Kind::ConnectMethod => StatusCode::METHOD_NOT_ALLOWED,
        Kind::FileForbidden => StatusCode::FORBIDDEN,
        Kind::FileUnreadable | Kind::FileTruncated | Kind::FileChanged => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Kind::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::HostNotAllowed => StatusCode::MISDIRECTED_REQUEST,
        Kind::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Kind::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        Kind::DescriptorsExhausted
        | Kind::BuffersFull
        | Kind::Maintenance
        | Kind::QueueFull
        | Kind::QueueTimeout => StatusCode::SERVICE_UNAVAILABLE,
        Kind::UpstreamConnectTimeout | Kind::UpstreamReadTimeout | Kind::UpstreamTotalTimeout => {
            StatusCode::GATEWAY_TIMEOUT
        }
        Kind::UpstreamUnresolved
        | Kind::UpstreamRefused
        | Kind::UpstreamClosed
        | Kind::UpstreamGarbage
        | Kind::UpstreamHeadTooLarge
        | Kind::UpstreamTruncated
        | Kind::AccelRefused => StatusCode::BAD_GATEWAY,
    }
}

fn explanation(kind: Kind) -> &'static str {
    match kind {
        Kind::HostMissing => "The request has no Host header.",
        Kind::HostRepeated => "The request has more than one Host header.",
        Kind::HostInvalid => "The request's Host is not a host name.",
        Kind::CodingUnknown => "The only transfer coding that is understood is chunked.",
        Kind::TargetInvalid => "The request's target has no path.",
        Kind::ConnectMethod => "This server is no forward proxy.",
        Kind::ClientBody | Kind::ClientGone => "The request's body broke off or was malformed.",
        Kind::ClientBodyTimeout => "The request's body did not arrive in time.",
        Kind::PathInvalid => "The request's path can't be decoded.",
        Kind::FileForbidden => "The server may not read the file: check its owner and mode.",
        Kind::FileUnreadable | Kind::FileTruncated => "The file can't be read.",
        Kind::FileChanged => "The file has changed while it was read: ask again.",
        Kind::DescriptorsExhausted => "The server has no descriptor left: raise its limit.",
        Kind::BodyTooLarge => "The request's body is longer than this server takes.",
        Kind::HostNotAllowed => "This server does not answer for the request's Host.",
        Kind::HeadTooLarge => "The request's head is larger than the application takes.",
        Kind::BuffersFull => "The server has no room for the request's body now: try again.",
        Kind::DiskFull => "The server has no disk space for the request's body.",
        Kind::Maintenance => "The site is being worked on. Please come back in a moment.",
        Kind::QueueFull | Kind::QueueTimeout => "The server is busy. Please try again in a moment.",
        Kind::UpstreamConnectTimeout | Kind::UpstreamReadTimeout | Kind::UpstreamTotalTimeout => {
            "The application did not answer in time."
        }
        Kind::UpstreamUnresolved | Kind::UpstreamRefused => "The application is not running.",
        Kind::UpstreamClosed
        | Kind::UpstreamGarbage
        | Kind::UpstreamHeadTooLarge
        | Kind::UpstreamTruncated => "The application gave no valid answer.",
        Kind::AccelRefused => "The application named a file that this server may not send.",
    }
}

/// After an error about where a request ends, nothing more can be read from its connection.
fn closes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::HostMissing
            | Kind::HostRepeated
            | Kind::HostInvalid
            | Kind::CodingUnknown
            | Kind::TargetInvalid
            | Kind::ConnectMethod
            | Kind::ClientBody
            | Kind::ClientBodyTimeout
            | Kind::ClientGone
    )
}

fn tell(record: &Record, error: &Error, side: Side) {
    let app = &record.local.app;
    let Some(missed) = app.trouble.allow() else { return };
    let path = record.parts.uri.path();
    if side == Side::Us {
        tracing::warn!(%error, path, missed, "a request failed here");
    } else {
        let target = app.plan.upstream.names();
        tracing::warn!(%error, path, %target, missed, "the application failed a request");
    }
}

/// A small page that names the status, what happened and the request.
fn page(record: &Record, status: StatusCode, text: &str) -> Response<Body> {
    let id = String::from_utf8_lossy(record.request_id());
    // The id was either made here or checked to consist of harmless characters.
    let request = format!("<p><small>Request {id}</small></p>\n");
    let mut response = html(record, status, text_of_page(status, text, &request).into());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// A small page that names the status and what happened, and ends with `more`.
fn text_of_page(status: StatusCode, text: &str, more: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let code = status.as_u16();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{code} {title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:16vh auto;\
         padding:0 1.5rem}}small{{opacity:.7;overflow-wrap:anywhere}}\
         :root{{color-scheme:light dark}}</style>\n\
         <h1>{code} {title}</h1>\n<p>{text}</p>\n{more}</html>\n"
    )
}

fn html(record: &Record, status: StatusCode, text: Bytes) -> Response<Body> {
    let length = text.len();
    let is_head = record.parts.method == http::Method::HEAD;
    let mut response = Response::new(if is_head { Body::Empty } else { Body::Full(text) });
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
