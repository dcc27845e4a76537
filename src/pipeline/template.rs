//! Texts with placeholders, filled with the facts of a request.

use http::HeaderValue;

use super::{forward, request_context::RequestContext};
use crate::plan::{HeaderText, Placeholder, TemplatePart};

/// Returns the value of a header. `None` if a placeholder would make it invalid: a refused request may have any host.
pub(super) fn header(context: &RequestContext, text: &HeaderText) -> Option<HeaderValue> {
    match text {
        HeaderText::Fixed(value) => Some(value.clone()),
        HeaderText::Template(parts) => HeaderValue::from_bytes(&fill(context, parts)).ok(),
    }
}

/// Fills a text.
fn fill(context: &RequestContext, parts: &[TemplatePart]) -> Vec<u8> {
    let mut filled = Vec::new();
    for part in parts {
        match part {
            TemplatePart::Text(text) => filled.extend_from_slice(text.as_bytes()),
            TemplatePart::Value(placeholder) => value(context, *placeholder, &mut filled),
        }
    }
    filled
}

fn value(context: &RequestContext, placeholder: Placeholder, filled: &mut Vec<u8>) {
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
        Placeholder::Scheme => filled.extend_from_slice(forward::scheme(context).as_bytes()),
    }
}
