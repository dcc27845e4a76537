//! Changes the header fields of responses. Every response gets its request id, and `routes.fields` has rules by the
//! requested path.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    normal_path::NormalPath,
    request_context::{RequestContext, X_REQUEST_ID},
    response::Response,
};
use crate::{
    plan::{FieldEdit, FieldRule},
    rfc::fields,
    telemetry::RouteLabel,
};

/// Gives the response the id of its request, unless the application has set one. Then applies every rule whose prefix
/// matches, in the plan's order, except to health checks.
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
    let rules = &context.local.app.plan.fields;
    if rules.is_empty() || context.route == RouteLabel::Health {
        return;
    }
    edit(rules, &context.path, &mut response.head.headers);
}

fn edit(rules: &[FieldRule], path: &NormalPath, headers: &mut HeaderMap) {
    let path = match path.or_raw() {
        // `OPTIONS *` is about the server as a whole.
        b"*" => b"/",
        path => path,
    };
    for rule in rules.iter().filter(|rule| path.starts_with(rule.prefix.as_bytes())) {
        match &rule.edit {
            FieldEdit::Set(name, _) | FieldEdit::Add(name, _) | FieldEdit::Remove(name)
                if frames(name) => {}
            FieldEdit::Set(name, value) => {
                headers.insert(name, value.clone());
            }
            FieldEdit::Add(name, value) => {
                headers.append(name, value.clone());
            }
            FieldEdit::Remove(name) => {
                headers.remove(name);
            }
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

    fn rule(prefix: &str, edit: FieldEdit) -> FieldRule {
        FieldRule { prefix: prefix.into(), edit }
    }

    fn set(prefix: &str, value: &'static str) -> FieldRule {
        rule(prefix, FieldEdit::Set(name("x-a"), HeaderValue::from_static(value)))
    }

    fn add(prefix: &str, value: &'static str) -> FieldRule {
        rule(prefix, FieldEdit::Add(name("x-a"), HeaderValue::from_static(value)))
    }

    fn remove(prefix: &str) -> FieldRule {
        rule(prefix, FieldEdit::Remove(name("x-a")))
    }

    /// Returns the values of `x-a`. The response has two of them before the rules apply.
    fn after(rules: &[FieldRule], target: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        edit(rules, &NormalPath::of(target), &mut headers);
        headers.get_all("x-a").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn edits() {
        let cases: &[(&[FieldRule], &[&str])] = &[
            (&[], &["1", "2"]),
            (&[set("/", "n")], &["n"]),
            (&[add("/", "n")], &["1", "2", "n"]),
            (&[remove("/")], &[]),
            (&[remove("/"), add("/", "n")], &["n"]),
            (&[add("/", "n"), remove("/")], &[]),
            (&[set("/", "n"), set("/a/", "m")], &["m"]),
            (&[set("/a/", "m"), set("/", "n")], &["n"]),
            (&[set("/b/", "m")], &["1", "2"]),
        ];
        for (rules, expected) in cases {
            assert_eq!(after(rules, "/a/b"), *expected, "{rules:?}");
        }
    }

    #[test]
    fn prefixes_are_compared_with_the_decoded_path() {
        for (prefix, target, fits) in [
            ("/a/", "/a/", true),
            ("/a/", "/a/b", true),
            ("/a/", "/a", false),
            ("/a", "/ab", true),
            ("/a/", "/%61/b", true),
            ("/a/", "/x/../a/b", true),
            ("/a/", "/a/../x", false),
            ("/a/", "//a//b", true),
            ("/a/", "/A/b", false),
            ("/a/", "/a/%zz", true),
            ("/b/", "/a/%zz", false),
            ("/caf\u{e9}/", "/caf%C3%A9/x", true),
            ("/", "*", true),
            ("/a/", "*", false),
        ] {
            assert_eq!(after(&[remove(prefix)], target).is_empty(), fits, "{prefix} {target}");
        }
    }

    #[test]
    fn framing_is_not_touched() {
        for framing in
            ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"]
        {
            let mut headers = HeaderMap::new();
            headers.insert(framing, HeaderValue::from_static("1"));
            for edited in [
                FieldEdit::Set(name(framing), HeaderValue::from_static("9")),
                FieldEdit::Add(name(framing), HeaderValue::from_static("9")),
                FieldEdit::Remove(name(framing)),
            ] {
                edit(&[rule("/", edited)], &NormalPath::of("/"), &mut headers);
            }
            let left: Vec<_> = headers.get_all(framing).iter().collect();
            assert_eq!(left, ["1"], "{framing}");
        }
    }
}
