//! Whether a response of the application is stored: by the rules for shared caches (`rfc::caching`), and by a few of
//! our own against attacks on them.

use http::StatusCode;

use super::{fetch_request::FetchRequest, status, vary};
use crate::{
    cache::Variant,
    rfc::caching::{ExchangeTimes, RequestTraits, ResponsePolicy},
    telemetry::NotStoredLabel,
    upstream::UpstreamResponse,
};

/// A response that may be stored.
#[derive(Debug)]
pub(super) struct Storable {
    pub(super) policy: ResponsePolicy,
    pub(super) variant: Variant,
}

/// What decides beside the response itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoringRules {
    pub(super) traits: RequestTraits,
    /// The lifetime in seconds of responses that name none.
    pub(super) default_lifetime: Option<u64>,
}

/// Decides about a response by its head.
pub(super) fn decide(
    request: &FetchRequest,
    rules: StoringRules,
    (reply, times): (&UpstreamResponse, ExchangeTimes),
) -> Result<Storable, NotStoredLabel> {
    let policy = ResponsePolicy::of(reply.status, &reply.fields, times);
    let policy = match rules.default_lifetime {
        Some(seconds) => policy.with_default_lifetime(seconds),
        None => policy,
    };
    policy.storable(rules.traits).map_err(status::label)?;
    // It blames a request that has more in it than the key, and would reach everyone.
    if reply.status == StatusCode::BAD_REQUEST {
        return Err(NotStoredLabel::Status);
    }
    let is_special = reply.is_prompt
        || reply.upgraded.is_some()
        || reply.announced.is_some()
        || request.policies.intercepts(reply.status)
        || reply.fields.iter().any(|(name, _)| is_instruction(name));
    if is_special {
        return Err(NotStoredLabel::Special);
    }
    let is_page =
        reply.fields.iter().any(|(name, value)| name == b"content-type" && is_html(value));
    if is_page && reply.status == StatusCode::OK && is_named_like_file(request.target()) {
        return Err(NotStoredLabel::Disguised);
    }
    let variant = vary::of_fetched(request, policy.vary()).ok_or(NotStoredLabel::Varies)?;
    Ok(Storable { policy, variant })
}

/// Whether a field tells Sideman to do something else than to forward the response.
fn is_instruction(name: &[u8]) -> bool {
    matches!(name, b"x-accel-redirect" | b"x-accel-limit-rate" | b"x-accel-charset" | b"x-sendfile")
}

fn is_html(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|&byte| byte == b';').unwrap_or(media_type.len());
    let essence = media_type.get(..end).unwrap_or_default().trim_ascii();
    [&b"text/html"[..], b"application/xhtml+xml"]
        .iter()
        .any(|one| essence.eq_ignore_ascii_case(one))
}

/// Whether the path ends like the name of a file that is no page.
fn is_named_like_file(target: &str) -> bool {
    const EXTENSIONS: [&str; 24] = [
        "avif", "bmp", "css", "csv", "doc", "docx", "eot", "gif", "ico", "jpeg", "jpg", "js",
        "json", "map", "mjs", "mp4", "pdf", "png", "svg", "ttf", "webm", "webp", "woff", "woff2",
    ];
    let path = target.split(['?', '#', ';']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((_, extension)) = name.rsplit_once('.') else { return false };
    EXTENSIONS.iter().any(|one| extension.eq_ignore_ascii_case(one))
}

/// Whether the next response is likely not to be stored either, so that requests need not wait for one another. An
/// error may be due to this one request.
pub(super) fn is_lasting(why: NotStoredLabel, status: StatusCode) -> bool {
    let is_usual =
        status.is_success() || status.is_redirection() || status == StatusCode::NOT_FOUND;
    is_usual && why != NotStoredLabel::RequestNoStore
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for (target, expected) in [
            ("/", false),
            ("/account", false),
            ("/account/", false),
            ("/a.css/", false),
            ("/a.html", false),
            ("/account/x.css", true),
            ("/account/x.CSS?y=z.html", true),
            ("/account/.css", true),
            ("/account/x.css;y", true),
            ("/?x.css", false),
            ("/page.2", false),
        ] {
            assert_eq!(is_named_like_file(target), expected, "{target}");
        }
    }

    #[test]
    fn pages_are_html() {
        for text in ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml ;x"] {
            assert!(is_html(text.as_bytes()), "{text}");
        }
        assert!(!is_html(b"text/htmlx") && !is_html(b"text/css") && !is_html(b""));
    }
}
