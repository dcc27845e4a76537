//! Writes Sideman's own messages: the page that is set for the status, or else a small page, or JSON for clients that
//! ask for it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::{
    body::Body,
    pipeline::request_context::RequestContext,
    pipeline::response::Response,
    rfc::{accept, trace},
};

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// The message to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageMessage<'a> {
    pub(super) status: StatusCode,
    /// For programs: the log's `error`, where there is one.
    pub(super) name: &'static str,
    /// For people: plain text.
    pub(super) text: &'a str,
}

/// The message as JSON.
#[derive(Serialize)]
struct JsonMessage<'a> {
    status: u16,
    error: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

/// The ids that lead from a page to the lines of logs. They consist of harmless characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageIds<'a> {
    pub(super) request: &'a str,
    /// The id of the load balancer's log.
    pub(super) trace: Option<&'a str>,
}

/// Writes the message and names the request.
pub(super) fn create(context: &RequestContext, message: &PageMessage<'_>) -> Response {
    // The id was either made here or checked to consist of harmless characters.
    let request = String::from_utf8_lossy(context.request_id());
    let trace = context.trace_id().filter(|id| trace::is_request_id(id.as_bytes()));
    let ids = PageIds { request: &request, trace };
    let status = message.status;
    let (status, media_type, text) = match replaced(context, status) {
        Some(page) => page,
        None if accept::prefers_json(&context.parts.headers) => {
            (status, JSON, message.json(Some(ids)))
        }
        None => (status, HTML, message.html(Some(ids))),
    };
    respond(context, status, media_type, text)
}

/// Writes the message without naming the request. `html` is the page, made in advance.
pub(super) fn shared_response(
    context: &RequestContext,
    message: &PageMessage<'_>,
    html: &Bytes,
) -> Response {
    let status = message.status;
    let (status, media_type, text) = match replaced(context, status) {
        Some(page) => page,
        None if accept::prefers_json(&context.parts.headers) => (status, JSON, message.json(None)),
        None => (status, HTML, html.clone()),
    };
    respond(context, status, media_type, text)
}

// === impl PageMessage ===

impl PageMessage<'_> {
    /// Returns a small page with the status, the message and the ids.
    pub(super) fn html(&self, ids: Option<PageIds<'_>>) -> Bytes {
        let Self { status, .. } = self;
        let text = escaped(self.text);
        let trace = ids.and_then(|ids| ids.trace).map(|id| format!("<br>Trace {id}"));
        let trace = trace.unwrap_or_default();
        let more = ids.map(|ids| format!("<p><small>Request {}{trace}</small></p>\n", ids.request));
        let more = more.unwrap_or_default();
        let title = status.canonical_reason().unwrap_or("Error");
        let code = status.as_u16();
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{code} {title}</title>\n\
             <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:16vh auto;\
             padding:0 1.5rem}}small{{opacity:.7;overflow-wrap:anywhere}}\
             :root{{color-scheme:light dark}}</style>\n\
             <h1>{code} {title}</h1>\n<p>{text}</p>\n{more}</html>\n"
        );
        page.into()
    }

    fn json(&self, ids: Option<PageIds<'_>>) -> Bytes {
        let Self { status, name, text } = *self;
        let json = JsonMessage {
            status: status.as_u16(),
            error: name,
            message: text,
            request_id: ids.map(|ids| ids.request),
            trace_id: ids.and_then(|ids| ids.trace),
        };
        // Numbers and strings can always be written.
        let mut text = serde_json::to_vec(&json).unwrap_or_default();
        text.push(b'\n');
        text.into()
    }
}

/// Escapes a text for HTML.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '"']) {
        return Cow::Borrowed(text);
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Cow::Owned(escaped.replace('"', "&quot;"))
}

/// Returns the page that is set for a status, with its own status. If the client asks for JSON, only a JSON page
/// counts.
fn replaced(
    context: &RequestContext,
    status: StatusCode,
) -> Option<(StatusCode, &'static str, Bytes)> {
    let page = context.local.app.pages.error(status, &context.policies.errors)?;
    let suits = page.media_type == JSON || !accept::prefers_json(&context.parts.headers);
    suits.then_some((page.status.unwrap_or(status), page.media_type, page.text))
}

/// Returns a response with this text.
pub(super) fn respond(
    context: &RequestContext,
    status: StatusCode,
    media_type: &'static str,
    text: Bytes,
) -> Response {
    let length = text.len();
    let is_head = context.parts.method == Method::HEAD;
    let mut response = Response::new(status, if is_head { Body::Empty } else { text.into() });
    let headers = &mut response.head.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
