//! Texts with placeholders, filled with the facts of a request.

use std::time::Duration;

use http::HeaderValue;

use super::{request_context::RequestContext, routes::RedirectAction, scheme};
use crate::{
    plan::{HeaderText, Placeholder, TemplatePart},
    rfc::target,
};

/// Returns the value of a header. `None` if a placeholder would make it invalid, as a refused request may have any
/// host, or has no value: a file has no time at the application.
pub(super) fn header(context: &RequestContext, text: &HeaderText) -> Option<HeaderValue> {
    match text {
        HeaderText::Fixed(value) => Some(value.clone()),
        HeaderText::Template(parts) => HeaderValue::from_bytes(&fill(context, parts)?).ok(),
    }
}

/// Returns the location of a redirect. Its host is the one in the template, whatever the path is: browsers take
/// `//example.org` and `/\\example.org` for other hosts, so a location that begins with `/` has only one.
pub(super) fn location(context: &RequestContext, action: &RedirectAction) -> Vec<u8> {
    let mut filled = Vec::new();
    for part in &action.redirect.location {
        match part {
            TemplatePart::Text(text) => filled.extend_from_slice(text.as_bytes()),
            TemplatePart::Value(Placeholder::Rest) => {
                let rest = context.path.or_raw().get(action.prefix..).unwrap_or_default();
                target::escape_path(rest, &mut filled);
            }
            TemplatePart::Value(Placeholder::Group(number)) => {
                let captures = action
                    .expression
                    .as_ref()
                    .and_then(|one| one.regex.captures(context.path.or_raw()));
                let group =
                    captures.as_ref().and_then(|captures| captures.get(usize::from(*number)));
                target::escape_path(group.map_or(b"", |group| group.as_bytes()), &mut filled);
            }
            TemplatePart::Value(Placeholder::Path) => {
                filled.extend_from_slice(target::escape(context.parts.path()).as_bytes());
            }
            TemplatePart::Value(Placeholder::Query) => {
                if let Some(query) = context.parts.query() {
                    filled.push(b'?');
                    filled.extend_from_slice(target::escape(query).as_bytes());
                }
            }
            TemplatePart::Value(placeholder) => {
                let _ = value(context, *placeholder, &mut filled);
            }
        }
    }
    if filled.first() == Some(&b'/') {
        let is_slash = |byte: &&u8| matches!(byte, b'/' | b'\\');
        let slashes = filled.iter().take_while(is_slash).count();
        filled.drain(1..slashes);
    }
    filled
}

/// Fills a text; `None` if a placeholder has no value.
fn fill(context: &RequestContext, parts: &[TemplatePart]) -> Option<Vec<u8>> {
    let mut filled = Vec::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => filled.extend_from_slice(text.as_bytes()),
            TemplatePart::Value(placeholder) => value(context, *placeholder, &mut filled)?,
        }
    }
    Some(filled)
}

/// Appends the value of a placeholder; `None` if it has none.
fn value(context: &RequestContext, placeholder: Placeholder, filled: &mut Vec<u8>) -> Option<()> {
    match placeholder {
        Placeholder::Host => filled.extend_from_slice(context.host().unwrap_or_default()),
        Placeholder::Path => filled.extend_from_slice(context.parts.path().as_bytes()),
        Placeholder::Query => {
            if let Some(query) = context.parts.query() {
                filled.push(b'?');
                filled.extend_from_slice(query.as_bytes());
            }
        }
        Placeholder::RequestId => filled.extend_from_slice(context.request_id()),
        Placeholder::Client => filled.extend_from_slice(context.client.to_string().as_bytes()),
        Placeholder::Scheme => filled.extend_from_slice(scheme::of(context).as_bytes()),
        // A request that was not queued has waited for no time.
        Placeholder::QueueTime => milliseconds(context.queue_wait().unwrap_or_default(), filled),
        Placeholder::UpstreamTime => milliseconds(context.first_byte?, filled),
        // Only redirects have these.
        Placeholder::Rest | Placeholder::Group(_) => {}
    }
    Some(())
}

fn milliseconds(duration: Duration, filled: &mut Vec<u8>) {
    filled.extend_from_slice(format!("{:.1}", duration.as_secs_f64() * 1e3).as_bytes());
}
