//! Values of `Content-Type` (RFC 9110, 8.3.1): which one counts, and which charset it names.

use http::HeaderValue;

use crate::rfc::media_type::essence;

/// Whether the application has chosen this type. Frameworks label a response without a type as HTML, with a charset and
/// no other parameter.
pub(super) fn is_chosen(upstream_headers: &HeaderValue, file: Option<&HeaderValue>) -> bool {
    let Ok(text) = upstream_headers.to_str() else { return true };
    let essence = essence(text);
    if essence.is_empty() {
        return false;
    }
    let is_default = essence == HTML && parameters(text).all(is_charset);
    !is_default || file.and_then(|file| file.to_str().ok()).is_some_and(is_html)
}

/// Returns the value with this charset instead of its own, if it is the type of a text. JSON does not count: its
/// charset is fixed (RFC 8259, 11).
pub(super) fn with_charset(known: &HeaderValue, charset: &str) -> Option<HeaderValue> {
    let text = known.to_str().ok()?;
    if !is_text(&essence(text)) {
        return None;
    }
    let mut value = sections(text).next().unwrap_or_default().trim().to_owned();
    for parameter in parameters(text).filter(|parameter| !is_charset(parameter)) {
        value.push_str("; ");
        value.push_str(parameter);
    }
    value.push_str("; charset=");
    value.push_str(charset);
    HeaderValue::try_from(value).ok()
}

const HTML: &str = "text/html";

fn is_html(text: &str) -> bool {
    essence(text) == HTML
}

fn is_text(essence: &str) -> bool {
    essence.starts_with("text/")
        || essence.ends_with("+xml")
        || matches!(essence, "application/xml" | "application/javascript")
}

fn is_charset(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    name.trim().eq_ignore_ascii_case("charset")
}

fn parameters(text: &str) -> impl Iterator<Item = &str> {
    sections(text).skip(1).map(str::trim).filter(|parameter| !parameter.is_empty())
}

/// Splits a text at its semicolons, except for those in quotes.
fn sections(text: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |character| {
        let escapes = is_quoted && !is_escaped && character == '\\';
        if character == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = escapes;
        character == ';' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whose_type_counts() {
        let cases = [
            ("text/html", "image/png", false),
            ("text/html; charset=utf-8", "image/png", false),
            ("TEXT/HTML ;Charset=\"utf-8\" ; ", "image/png", false),
            ("", "image/png", false),
            ("  ", "image/png", false),
            ("; charset=utf-8", "image/png", false),
            ("text/html; charset=utf-8", "text/html; charset=utf-8", true),
            ("text/html", "Text/HTML", true),
            ("text/html; charset=latin-1", "text/html; charset=utf-8", true),
            ("text/html; level=1", "image/png", true),
            ("text/html; charset=utf-8; x=\"; charset=y\"", "image/png", true),
            ("text/htmlx", "image/png", true),
            ("application/pdf", "image/png", true),
            ("nonsense", "image/png", true),
        ];
        for (upstream_headers, file, expected) in cases {
            let (upstream_headers, file) =
                (HeaderValue::from_static(upstream_headers), HeaderValue::from_static(file));
            assert_eq!(
                is_chosen(&upstream_headers, Some(&file)),
                expected,
                "{upstream_headers:?} {file:?}"
            );
        }
        let strange = HeaderValue::from_bytes(b"text/html\xff").unwrap();
        assert!(is_chosen(&strange, None));
        assert!(!is_chosen(&HeaderValue::from_static("text/html"), None));
    }

    #[test]
    fn charsets() {
        let cases = [
            ("text/plain", Some("text/plain; charset=koi8-r")),
            ("text/plain; charset=utf-8", Some("text/plain; charset=koi8-r")),
            ("text/plain;charset=\"a;b\";x=1", Some("text/plain; x=1; charset=koi8-r")),
            ("text/x; a=\"\\\";charset=b\"", Some("text/x; a=\"\\\";charset=b\"; charset=koi8-r")),
            ("Text/HTML", Some("Text/HTML; charset=koi8-r")),
            ("image/svg+xml", Some("image/svg+xml; charset=koi8-r")),
            ("application/javascript", Some("application/javascript; charset=koi8-r")),
            ("application/json", None),
            ("application/pdf", None),
            ("image/png", None),
            ("", None),
        ];
        for (known, expected) in cases {
            let received = with_charset(&HeaderValue::from_static(known), "koi8-r");
            let expected = expected.map(HeaderValue::from_static);
            assert_eq!(received, expected, "{known}");
        }
    }

    proptest! {
        #[test]
        fn charset_is_set_once_and_other_parameters_are_kept(text in "[a-z;= ]{0,24}") {
            let known = HeaderValue::from_str(&format!("text/{text}")).unwrap();
            let once = with_charset(&known, "x").unwrap();
            prop_assert_eq!(with_charset(&once, "x"), Some(once.clone()));
            let (before, after) = (known.to_str().unwrap(), once.to_str().unwrap());
            prop_assert_eq!(essence(before), essence(after));
            prop_assert_eq!(parameters(after).filter(|one| is_charset(one)).count(), 1);
            let others = |text| -> Vec<&str> {
                parameters(text).filter(|one| !is_charset(one)).collect()
            };
            prop_assert_eq!(others(before), others(after));
        }

        #[test]
        fn nothing_panics(upstream_headers in "[a-z/;=\"\\\\ ]{0,24}") {
            let upstream_headers = HeaderValue::from_str(&upstream_headers).unwrap();
            let _ = (is_chosen(&upstream_headers, Some(&upstream_headers)), with_charset(&upstream_headers, "x"));
        }
    }
}
