//! Changes the header fields of responses: every response gets its request id, and routes have changes of their own.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    auth,
    request_context::{RequestContext, X_REQUEST_ID},
    response::Response,
    template,
};
use crate::{
    plan::{HeaderEdit, HeaderText},
    rfc::fields,
    telemetry::RouteLabel,
};

/// Gives the response the id of its request, unless the application has set one. Then makes the changes of the
/// request's routes, except to health checks.
pub(super) fn apply(context: &RequestContext, response: &mut Response) {
    if context.takes_response_lines() {
        // The server writes it: see `TrackedResponse::request_id`.
        return;
    }
    let headers = &mut response.head.headers;
    if !headers.contains_key(X_REQUEST_ID)
        && let Ok(id) = HeaderValue::from_bytes(context.request_id())
    {
        headers.insert(X_REQUEST_ID, id);
    }
    if context.route == RouteLabel::Health {
        return;
    }
    if let Some(fields) = &context.auth_fields {
        fields.add_to_response(headers);
    }
    if context.is_private() {
        auth::make_private(headers);
    }
    for edit in &context.policies.response_headers {
        let value = |text: &HeaderText| template::header(context, text);
        apply_edit(&mut response.head.headers, edit, value);
    }
}

/// Applies one change. `value` fills its text; a text that cannot be filled changes nothing.
fn apply_edit(
    headers: &mut HeaderMap,
    edit: &HeaderEdit,
    value: impl Fn(&HeaderText) -> Option<HeaderValue>,
) {
    if frames(edit.name()) {
        return;
    }
    match edit {
        HeaderEdit::Set(name, text) => {
            if let Some(value) = value(text) {
                headers.insert(name, value);
            }
        }
        HeaderEdit::Add(name, text) => {
            if let Some(value) = value(text) {
                headers.append(name, value);
            }
        }
        HeaderEdit::Default(name, text) => {
            if !headers.contains_key(name)
                && let Some(value) = value(text)
            {
                headers.insert(name, value);
            }
        }
        HeaderEdit::Remove(name) => {
            headers.remove(name);
        }
    }
}

/// Whether a field marks the end of a response or of its connection. Rules must not change those: with a wrong value,
/// the client would take a part of one response for another.
fn frames(name: &HeaderName) -> bool {
    name == header::CONTENT_LENGTH || fields::is_hop_by_hop(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> HeaderName {
        HeaderName::from_static(text)
    }

    fn text(value: &'static str) -> HeaderText {
        HeaderText::Fixed(HeaderValue::from_static(value))
    }

    fn fixed(text: &HeaderText) -> Option<HeaderValue> {
        match text {
            HeaderText::Fixed(value) => Some(value.clone()),
            HeaderText::Template(_) => None,
        }
    }

    #[test]
    fn edits() {
        let a = || name("a");
        let cases: [(Vec<HeaderEdit>, &[&str]); 8] = [
            (vec![], &["1", "2"]),
            (vec![HeaderEdit::Set(a(), text("n"))], &["n"]),
            (vec![HeaderEdit::Add(a(), text("n"))], &["1", "2", "n"]),
            (vec![HeaderEdit::Default(a(), text("n"))], &["1", "2"]),
            (vec![HeaderEdit::Remove(a())], &[]),
            (vec![HeaderEdit::Remove(a()), HeaderEdit::Default(a(), text("n"))], &["n"]),
            (vec![HeaderEdit::Add(a(), text("n")), HeaderEdit::Remove(a())], &[]),
            (vec![HeaderEdit::Set(a(), HeaderText::Template(Vec::new()))], &["1", "2"]),
        ];
        for (edits, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.append(a(), HeaderValue::from_static("1"));
            headers.append(a(), HeaderValue::from_static("2"));
            edits.iter().for_each(|edit| apply_edit(&mut headers, edit, fixed));
            let left: Vec<_> = headers.get_all(a()).iter().collect();
            assert_eq!(left, expected, "{edits:?}");
        }
    }

    #[test]
    fn framing_is_not_changed() {
        for framing in
            ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"]
        {
            let mut headers = HeaderMap::new();
            headers.insert(framing, HeaderValue::from_static("1"));
            for edit in [
                HeaderEdit::Set(name(framing), text("9")),
                HeaderEdit::Add(name(framing), text("9")),
                HeaderEdit::Remove(name(framing)),
            ] {
                apply_edit(&mut headers, &edit, fixed);
            }
            let left: Vec<_> = headers.get_all(framing).iter().collect();
            assert_eq!(left, ["1"], "{framing}");
        }
    }
}
