//! The fields with which the application instructs the server in front of it: `X-Accel-*`, `X-Sendfile` and
//! `Sideman-Cache-Control`. No client ever gets them.

use std::{fmt, str};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::media_type;
use crate::{
    body::Body,
    pipeline::response::Response,
    rfc::{encoded_word, token::is_token},
};

/// The instructions in a response's header section. `X-Accel-Buffering` is not among them: the code that reads
/// responses obeys it (`upstream/http1/parse.rs`). `X-Accel-Expires` and `Sideman-Cache-Control` are for the cache,
/// which has read them before (`rfc/caching`).
#[derive(Debug, Default)]
pub(in crate::pipeline) struct AccelDirectives {
    redirect: Option<HeaderValue>,
    sendfile: Option<HeaderValue>,
    /// Bytes a second; 0 for no limit.
    limit_rate: Option<u64>,
    /// A token (RFC 9110, 5.6.2).
    charset: Option<String>,
}

/// The file to send, in the application's own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum AccelTarget<'a> {
    /// A URL path.
    Redirect(&'a [u8]),
    /// A path in the file system.
    Sendfile(&'a [u8]),
}

/// The maximum number of bytes of a name that the log shows.
const MAX_SHOWN: usize = 256;

/// Removes the fields and returns their values. If a field comes twice, the first counts, as in nginx.
pub(in crate::pipeline) fn take(headers: &mut HeaderMap) -> AccelDirectives {
    let mut directives = AccelDirectives::default();
    if !headers.keys().any(is_directive) {
        return directives;
    }
    let names: Vec<HeaderName> =
        headers.keys().filter(|name| is_directive(name)).cloned().collect();
    for name in names {
        let Some(value) = headers.remove(&name) else { continue };
        match name.as_str() {
            "x-accel-redirect" => directives.redirect = Some(value),
            "x-sendfile" => directives.sendfile = Some(value),
            "x-accel-limit-rate" => directives.limit_rate = number(value.as_bytes()),
            "x-accel-charset" => directives.charset = charset(value.as_bytes()),
            _ => {}
        }
    }
    directives
}

fn is_directive(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-accel-") || matches!(name, "x-sendfile" | "sideman-cache-control")
}

fn number(value: &[u8]) -> Option<u64> {
    // `parse` would accept a sign as well.
    let text = str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    text?.parse().ok()
}

/// Returns the charset; `None` for `off`, which disables nginx's own setting.
fn charset(value: &[u8]) -> Option<String> {
    let text = str::from_utf8(value).ok()?;
    let is_charset = is_token(value) && !text.eq_ignore_ascii_case("off");
    is_charset.then(|| text.to_owned())
}

// === impl AccelDirectives ===

impl AccelDirectives {
    /// Returns the file to send instead of the response's body.
    pub(in crate::pipeline) fn target(&self) -> Option<AccelTarget<'_>> {
        let redirect = self.redirect.as_ref().map(|value| AccelTarget::Redirect(value.as_bytes()));
        redirect.or(self.sendfile.as_ref().map(|value| AccelTarget::Sendfile(value.as_bytes())))
    }

    /// Applies the instructions that concern every response.
    pub(in crate::pipeline) fn apply(&self, response: &mut Response) {
        self.set_charset(&mut response.head.headers);
        if let Some(rate) = self.rate(None) {
            response.body = Body::paced(std::mem::take(&mut response.body), rate);
        }
    }

    /// Returns the rate limit in bytes a second. `own` is the setting of the file's prefix.
    pub(super) fn rate(&self, own: Option<u64>) -> Option<u64> {
        match self.limit_rate {
            Some(0) => None,
            Some(rate) => Some(rate),
            None => own,
        }
    }

    /// Sets the charset of a text in `Content-Type`.
    pub(super) fn set_charset(&self, headers: &mut HeaderMap) {
        let Some(charset) = &self.charset else { return };
        let known = headers.get(header::CONTENT_TYPE);
        if let Some(value) = known.and_then(|known| media_type::with_charset(known, charset)) {
            headers.insert(header::CONTENT_TYPE, value);
        }
    }
}

// === impl AccelTarget ===

impl fmt::Display for AccelTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = match self {
            Self::Redirect(value) => ("X-Accel-Redirect", value),
            Self::Sendfile(value) => ("X-Sendfile", value),
        };
        let query = match self {
            Self::Redirect(value) => query(value),
            Self::Sendfile(_) => None,
        };
        let end = query.unwrap_or(value.len()).min(MAX_SHOWN);
        let begin = value.get(..end).unwrap_or(value);
        let more = if begin.len() < value.len() { "..." } else { "" };
        write!(f, "{name}: {}{more}", begin.escape_ascii())
    }
}

/// Returns where the query of a URL path begins. It may sign the request for a file, so that it is a secret.
fn query(value: &[u8]) -> Option<usize> {
    let query = |text: &[u8]| text.iter().position(|&byte| byte == b'?').map(|at| at + 1);
    if !encoded_word::is_encoded(value) {
        return query(value);
    }
    let has_none = encoded_word::decode(value).is_some_and(|path| query(&path).is_none());
    // Up to the `?` in front of the charset.
    if has_none { None } else { query(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn accel_headers_are_removed() {
        let mut map = headers(&[
            ("content-type", "text/plain"),
            ("x-accel-redirect", "/a"),
            ("x-accel-redirect", "/b"),
            ("x-accel-expires", "60"),
            ("x-accel-limit-rate", "100"),
            ("x-accel-buffering", "no"),
            ("x-accel-charset", "koi8-r"),
            ("x-accel-mapping", "/a=/b"),
            ("x-sendfile", "/srv/a"),
            ("x-sendfile-type", "X-Sendfile"),
            ("x-accelerator", "kept"),
        ]);
        let directives = take(&mut map);
        let mut left: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "x-accelerator", "x-sendfile-type"]);
        assert_eq!(directives.target(), Some(AccelTarget::Redirect(b"/a")));
        assert_eq!(directives.rate(Some(7)), Some(100));
        assert_eq!(directives.charset.as_deref(), Some("koi8-r"));
    }

    #[test]
    fn sendfile_alone() {
        let mut map = headers(&[("x-sendfile", "/srv/a")]);
        assert_eq!(take(&mut map).target(), Some(AccelTarget::Sendfile(b"/srv/a")));
        assert_eq!(take(&mut map).target(), None);
    }

    #[test]
    fn rates() {
        for (value, own, expected) in [
            ("1000", None, Some(1000)),
            ("1000", Some(5), Some(1000)),
            ("0", Some(5), None),
            ("0", None, None),
            ("-1", Some(5), Some(5)),
            ("+1", Some(5), Some(5)),
            ("1k", Some(5), Some(5)),
            ("", Some(5), Some(5)),
            ("off", None, None),
            ("99999999999999999999", Some(5), Some(5)),
        ] {
            let directives = take(&mut headers(&[("x-accel-limit-rate", value)]));
            assert_eq!(directives.rate(own), expected, "{value:?} {own:?}");
        }
    }

    #[test]
    fn charsets() {
        for (value, expected) in [
            ("utf-8", Some("utf-8")),
            ("off", None),
            ("", None),
            ("a b", None),
            ("a;b=c", None),
            ("\"utf-8\"", None),
        ] {
            let directives = take(&mut headers(&[("x-accel-charset", value)]));
            assert_eq!(directives.charset.as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn names_are_shown_in_ascii_and_not_endlessly() {
        let value = [&b"/\xff\"\n"[..], &[b'a'; 1000]].concat();
        let shown = AccelTarget::Redirect(&value).to_string();
        assert!(shown.starts_with(r#"X-Accel-Redirect: /\xff\"\naaa"#), "{shown}");
        assert!(shown.ends_with("a..."), "{shown}");
        assert!(shown.len() < 300);
    }

    #[test]
    fn queries_of_urls_are_not_shown() {
        for (value, expected) in [
            ("/a?b=hunter2", "X-Accel-Redirect: /a?..."),
            ("/a", "X-Accel-Redirect: /a"),
            ("=?utf-8?q?/=C3=BC?=", "X-Accel-Redirect: =?utf-8?q?/=C3=BC?="),
            ("=?utf-8?q?/=C3=BC?hunter2?=", "X-Accel-Redirect: =?..."),
            ("=?utf-8?q?/=C3=BC?b=hunter2?=", "X-Accel-Redirect: =?..."),
        ] {
            assert_eq!(AccelTarget::Redirect(value.as_bytes()).to_string(), expected);
        }
        assert_eq!(AccelTarget::Sendfile(b"/a?b").to_string(), "X-Sendfile: /a?b");
    }
}
