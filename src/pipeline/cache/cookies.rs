//! What the cookies of a request mean for the cache: whose page it is, and its language.

use crate::{
    plan::CacheSettings,
    rfc::request_parts::{FieldName, Headers},
};

/// The cookies of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookies {
    pub(super) visitor: Visitor,
    /// The value of the language cookie.
    pub(super) language: Option<Vec<u8>>,
    /// Whether the application gets fewer cookies than the client has sent.
    pub(super) has_trackers: bool,
}

/// What is known of the visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Visitor {
    /// No cookie says who it is.
    #[default]
    Anonymous,
    /// There is a cookie that the settings do not name. It may be a session by another name.
    Unknown,
    /// There is a session, or a message for this visitor alone.
    Session,
}

/// A longer value is no language (BCP 47 has at most 35 characters for those that matter).
const MAX_LANGUAGE: usize = 35;

/// Django's protection of forms needs its cookie; everything else that is ignored only tracks visitors.
const FORWARDED: &[u8] = b"csrftoken";

// === impl Cookies ===

impl Cookies {
    /// Sorts the cookies of a request.
    pub(super) fn of(headers: &Headers, settings: &CacheSettings) -> Self {
        let mut cookies = Self::default();
        if !headers.contains(FieldName::Cookie) {
            return cookies;
        }
        for (name, value) in pairs(headers) {
            let is_language = |cookie: &String| cookie.as_bytes() == name;
            if settings.session_cookies.fit(name) {
                cookies.visitor = Visitor::Session;
            } else if settings.language_cookie.as_ref().is_some_and(is_language) {
                cookies.set_language(value);
            } else if settings.ignored_cookies.fit(name) {
                cookies.has_trackers |= name != FORWARDED;
            } else {
                cookies.visitor = cookies.visitor.or(Visitor::Unknown);
            }
        }
        cookies
    }

    /// Keeps a value that can be a language. Any other one may be anything, also a second one, of which nobody knows
    /// which one the application takes.
    fn set_language(&mut self, value: &[u8]) {
        let is_language = value.len() <= MAX_LANGUAGE
            && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if is_language && self.language.is_none() {
            self.language = Some(value.to_vec());
        } else {
            self.visitor = self.visitor.or(Visitor::Unknown);
        }
    }
}

// === impl Visitor ===

impl Visitor {
    fn or(self, other: Self) -> Self {
        if self == Self::Session { self } else { other }
    }
}

/// Returns the `Cookie` field for the application without those that track visitors; `None` if nothing is left.
pub(super) fn forwarded(headers: &Headers, settings: &CacheSettings) -> Option<Vec<u8>> {
    let mut field = Vec::new();
    for (name, value) in pairs(headers) {
        if name != FORWARDED && settings.ignored_cookies.fit(name) {
            continue;
        }
        if !field.is_empty() {
            field.extend_from_slice(b"; ");
        }
        field.extend_from_slice(name);
        field.push(b'=');
        field.extend_from_slice(value);
    }
    (!field.is_empty()).then_some(field)
}

/// Iterates over names and values as Django reads them (RFC 6265, 4.2.1): a text without `=` is a value without a name.
/// HTTP/2 may split the field.
fn pairs(headers: &Headers) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = headers.get_all(FieldName::Cookie);
    all.flat_map(|value| value.split(|&byte| byte == b';')).filter_map(|pair| {
        let pair = pair.trim_ascii();
        if pair.is_empty() {
            return None;
        }
        Some(match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let (name, value) = pair.split_at(at);
                (name.trim_ascii(), value.get(1..).unwrap_or_default().trim_ascii())
            }
            None => (&b""[..], pair),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{NamePattern, NamePatterns};

    fn settings() -> CacheSettings {
        let patterns =
            |names: &[&str]| NamePatterns(names.iter().map(|name| NamePattern::of(name)).collect());
        CacheSettings {
            session_cookies: patterns(&["sessionid", "messages"]),
            ignored_cookies: patterns(&["csrftoken", "_ga*"]),
            language_cookie: Some("django_language".to_owned()),
            ..CacheSettings::default()
        }
    }

    fn headers(cookie: &str) -> Headers {
        Headers::from_iter([("cookie", cookie)])
    }

    #[test]
    fn cookies_are_told_apart() {
        use Visitor::{Anonymous, Session, Unknown};
        for (field, visitor, language, has_trackers) in [
            ("", Anonymous, None, false),
            ("csrftoken=a", Anonymous, None, false),
            ("_ga=1; csrftoken=a; _ga_X=2", Anonymous, None, true),
            ("django_language=de", Anonymous, Some("de"), false),
            ("django_language=de; django_language=fr", Unknown, Some("de"), false),
            ("django_language=a\"b", Unknown, None, false),
            ("a=b", Unknown, None, false),
            ("novalue", Unknown, None, false),
            ("a=b; sessionid=x", Session, None, false),
            ("sessionid=x;a=b", Session, None, false),
            ("  sessionid = x ", Session, None, false),
            ("Sessionid=x", Unknown, None, false),
            ("x=sessionid=1", Unknown, None, false),
            ("csrftoken=a; messages=\"[]\"", Session, None, false),
        ] {
            let expected =
                Cookies { visitor, language: language.map(|one| one.into()), has_trackers };
            assert_eq!(Cookies::of(&headers(field), &settings()), expected, "{field}");
        }
    }

    #[test]
    fn cookies_in_several_fields() {
        let headers = Headers::from_iter([("cookie", "csrftoken=a"), ("cookie", "sessionid=b")]);
        assert_eq!(Cookies::of(&headers, &settings()).visitor, Visitor::Session);
    }

    #[test]
    fn trackers_are_not_forwarded() {
        for (field, expected) in
            [("_ga=1", None), ("_ga=1; csrftoken=a;_ga_X=2; b=c=d", Some("csrftoken=a; b=c=d"))]
        {
            let field = forwarded(&headers(field), &settings());
            assert_eq!(field.as_deref(), expected.map(str::as_bytes));
        }
    }
}
