//! What routes put in place of parts of a request for the application: its path, its `Host`, and header fields.

use http::HeaderValue;

use super::{
    request_context::RequestContext,
    routes::{Forwarding, PrefixReplacement},
    template,
};
use crate::{
    plan::{HeaderEdit, HostHeader},
    rfc::{path, target},
};

/// The filled texts for one request. Usually there are none.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    /// Path and query.
    pub(super) target: Option<String>,
    pub(super) host: Option<HeaderValue>,
    /// One for each change of header fields, in their order; `None` for one without a text, or with one that no header
    /// can have.
    values: Vec<Option<HeaderValue>>,
}

// === impl Replacements ===

impl Replacements {
    /// Fills what the routes of a request set. `server` is the address of the application's first server.
    pub(super) fn of(context: &RequestContext, server: &str) -> Self {
        let Forwarding { prefix, host, headers, .. } = &context.policies.forwarding;
        let value = |edit: &HeaderEdit| match edit {
            HeaderEdit::Set(_, text) | HeaderEdit::Add(_, text) | HeaderEdit::Default(_, text) => {
                template::header(context, text)
            }
            HeaderEdit::Remove(_) => None,
        };
        Self {
            target: prefix.as_ref().map(|prefix| replaced_target(context, prefix)),
            host: host.as_ref().and_then(|host| match host {
                HostHeader::Upstream => HeaderValue::from_str(server).ok(),
                HostHeader::Text(text) => template::header(context, text),
            }),
            values: headers.iter().map(value).collect(),
        }
    }

    /// Returns the host that the application gets. `server` is for requests that have none.
    pub(super) fn host_of<'a>(&'a self, context: &'a RequestContext, server: &'a str) -> &'a [u8] {
        match &self.host {
            Some(host) => host.as_bytes(),
            None => context.host().unwrap_or(server.as_bytes()),
        }
    }

    /// Returns path and query that the application gets.
    pub(super) fn target_of<'a>(&'a self, context: &'a RequestContext) -> &'a str {
        match &self.target {
            Some(target) => target,
            None => context.parts.path_and_query(),
        }
    }

    /// Changes the fields that the application gets.
    pub(super) fn apply<'a>(
        &'a self,
        edits: &'a [HeaderEdit],
        fields: &mut Vec<(&'a [u8], &'a [u8])>,
    ) {
        for (edit, value) in edits.iter().zip(&self.values) {
            let name = edit.name().as_str().as_bytes();
            let is_it = |field: &(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name);
            match (edit, value) {
                (HeaderEdit::Remove(_), _) => fields.retain(|field| !is_it(field)),
                (_, None) => {}
                (HeaderEdit::Set(..), Some(value)) => {
                    fields.retain(|field| !is_it(field));
                    fields.push((name, value.as_bytes()));
                }
                (HeaderEdit::Add(..), Some(value)) => fields.push((name, value.as_bytes())),
                (HeaderEdit::Default(..), Some(value)) => {
                    if !fields.iter().any(is_it) {
                        fields.push((name, value.as_bytes()));
                    }
                }
            }
        }
    }
}

/// Returns path and query with another prefix. The rest keeps the client's spelling, unless its decoded form would then
/// be another one than the one that the route has matched.
fn replaced_target(context: &RequestContext, prefix: &PrefixReplacement) -> String {
    let normal = context.path.or_raw();
    let rest = normal.get(prefix.length..).unwrap_or_default();
    let raw = context.parts.path();
    let mut replaced = prefix.path.clone();
    let is_plain = raw.as_bytes() == normal;
    match raw
        .get(prefix.length..)
        .filter(|raw_rest| is_plain || keeps_meaning(raw, raw_rest, normal, rest))
    {
        Some(raw_rest) => replaced.push_str(raw_rest),
        None => {
            let mut escaped = Vec::new();
            target::escape_path(rest, &mut escaped);
            replaced.push_str(&String::from_utf8_lossy(&escaped));
        }
    }
    if let Some(query) = context.parts.query() {
        replaced.push(if replaced.contains('?') { '&' } else { '?' });
        replaced.push_str(query);
    }
    replaced
}

/// Whether the client's spelling of the rest means the decoded rest, and its spelling of the prefix the prefix.
fn keeps_meaning(raw: &str, raw_rest: &str, normal: &[u8], rest: &[u8]) -> bool {
    let (Some(raw_prefix), Some(prefix)) = (raw.strip_suffix(raw_rest), normal.strip_suffix(rest))
    else {
        return false;
    };
    let below = format!("/{raw_rest}");
    let decoded = path::normalize(&below);
    raw_prefix.as_bytes() == prefix
        && decoded.is_some_and(|decoded| {
            decoded.strip_prefix(b"/").is_some_and(|decoded| decoded == rest)
        })
        && !raw_rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_spellings_of_the_same_path_are_kept() {
        for (raw, length, kept) in [
            ("/api/x", 5, true),
            ("/api/a%20b", 5, true),
            ("/api/a%2Fb", 5, true),
            ("/api/", 5, true),
            ("/%61pi/x", 5, false),
            ("/api//x", 5, false),
            ("/api/x/../y", 5, true),
            ("/x/../api/y", 5, false),
            ("//api/x", 5, false),
            ("/api/../api/x", 5, false),
        ] {
            let normal = path::normalize(raw).unwrap();
            let rest = &normal[length..];
            let raw_rest = raw.get(length..).unwrap_or_default();
            assert_eq!(keeps_meaning(raw, raw_rest, &normal, rest), kept, "{raw}");
        }
    }

    proptest! {
        /// The application's path decodes to the path that the route has matched, with the other prefix.
        #[test]
        fn a_kept_rest_decodes_to_the_matched_rest(raw in "/api/([a-c.]|/|%2e|%2F|%41){0,8}") {
            let Some(normal) = path::normalize(&raw) else { return Ok(()) };
            let Some(rest) = normal.strip_prefix(b"/api/") else { return Ok(()) };
            let raw_rest = &raw[5..];
            if keeps_meaning(&raw, raw_rest, &normal, rest) {
                let sent = format!("/v2/{raw_rest}");
                let decoded = path::normalize(&sent).unwrap();
                prop_assert_eq!(decoded.strip_prefix(b"/v2/"), Some(rest));
            }
        }
    }
}
