//! The media types that a client accepts (RFC 9110, 12.5.1), as far as an error page needs them: JSON or HTML.

use super::{
    encoding::weight,
    request_parts::{FieldName, Headers},
};

/// The weight if none is given (RFC 9110, 12.4.2).
const MAX_WEIGHT: u16 = 1000;

/// A client's preference for one media type. Preferences compare by quality, then by how exactly the client has named
/// the type: many scripts ask for JSON and `*/*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct TypePreference {
    /// Thousandths; 0 is a refusal, or not mentioned.
    quality: u16,
    precision: RangePrecision,
}

/// How exactly a media range names a type: the most exact range decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum RangePrecision {
    /// `*/*`
    #[default]
    Any,
    /// `text/*`
    Group,
    /// `text/html`
    Exact,
}

/// Whether a client prefers JSON (`application/json`, or a type based on it such as `application/problem+json`) to
/// HTML. A client that names no type, or accepts anything, does not.
///
/// ```
/// use sideman::rfc::{accept::prefers_json, request_parts::Headers};
/// assert!(!prefers_json(&Headers::default()));
/// let headers = Headers::from_iter([("accept", "application/json, text/html;q=0.9")]);
/// assert!(prefers_json(&headers));
/// ```
pub fn prefers_json(headers: &Headers) -> bool {
    let (mut json, mut html) = (TypePreference::default(), TypePreference::default());
    for field in headers.get_all(FieldName::Accept) {
        for member in field.split(|&byte| byte == b',') {
            let Some((range, quality)) = member_of(member) else { continue };
            json.learn(json_precision(range), quality);
            html.learn(html_precision(range), quality);
        }
    }
    json.quality > 0 && json > html
}

/// Whether a client names HTML among the types that it accepts, as browsers do for pages. `*/*` alone does not count.
///
/// ```
/// use sideman::rfc::{accept::names_html, request_parts::Headers};
/// assert!(names_html(&Headers::from_iter([("accept", "text/html, */*;q=0.8")])));
/// assert!(!names_html(&Headers::from_iter([("accept", "*/*")])));
/// ```
pub fn names_html(headers: &Headers) -> bool {
    let members =
        headers.get_all(FieldName::Accept).flat_map(|field| field.split(|&byte| byte == b','));
    members
        .filter_map(member_of)
        .any(|(range, quality)| quality > 0 && html_precision(range) == Some(RangePrecision::Exact))
}

// === impl TypePreference ===

impl TypePreference {
    fn learn(&mut self, precision: Option<RangePrecision>, quality: u16) {
        let Some(precision) = precision else { return };
        if precision > self.precision {
            *self = Self { quality, precision };
        } else if precision == self.precision {
            self.quality = self.quality.max(quality);
        }
    }
}

/// Returns a media range and its quality; `None` if the weight is malformed. Other parameters are ignored, because each
/// page has one version.
fn member_of(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut pieces = member.split(|&byte| byte == b';');
    let range = pieces.next().unwrap_or_default().trim_ascii();
    for piece in pieces {
        if let [b'q' | b'Q', b'=', ..] = piece.trim_ascii() {
            return Some((range, weight(piece)?));
        }
    }
    Some((range, MAX_WEIGHT))
}

fn json_precision(range: &[u8]) -> Option<RangePrecision> {
    let is = |name: &[u8]| range.eq_ignore_ascii_case(name);
    // The suffix names a structured syntax (RFC 6838, 4.2.8).
    let suffix = range.len().checked_sub(b"+json".len()).and_then(|start| range.get(start..));
    if is(b"application/json") || suffix.is_some_and(|end| end.eq_ignore_ascii_case(b"+json")) {
        return Some(RangePrecision::Exact);
    }
    if is(b"application/*") { Some(RangePrecision::Group) } else { any(range) }
}

fn html_precision(range: &[u8]) -> Option<RangePrecision> {
    if range.eq_ignore_ascii_case(b"text/html") {
        return Some(RangePrecision::Exact);
    }
    if range.eq_ignore_ascii_case(b"text/*") { Some(RangePrecision::Group) } else { any(range) }
}

fn any(range: &[u8]) -> Option<RangePrecision> {
    (range == b"*/*").then_some(RangePrecision::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn asked(fields: &[&[u8]]) -> bool {
        prefers_json(&fields.iter().map(|field| ("accept", field)).collect())
    }

    #[test]
    fn table() {
        let cases: &[(&[&str], bool)] = &[
            (&[], false),
            (&[""], false),
            (&["*/*"], false),
            (&["text/html"], false),
            (&["application/json"], true),
            (&["APPLICATION/JSON"], true),
            (&["application/problem+json"], true),
            (&["application/vnd.api+json"], true),
            (&["+json"], true),
            (&["json"], false),
            (&["application/jsonx"], false),
            (&["application/*"], true),
            (&["image/webp"], false),
            // A browser's page load.
            (
                &["text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"],
                false,
            ),
            // Common clients of APIs.
            (&["application/json, text/plain, */*"], true),
            (&["application/json, text/javascript, */*; q=0.01"], true),
            (&["application/json;odata=verbose"], true),
            (&["application/json; charset=utf-8;q=0.5, text/html;q=0.4"], true),
            // Both by name: quality decides, and HTML if it is equal.
            (&["text/html, application/json"], false),
            (&["application/json, text/html"], false),
            (&["text/html;q=0.9, application/json"], true),
            (&["text/html", "application/json;q=0.9"], false),
            (&["text/html;q=0.8", "application/json;q=0.9"], true),
            // The most exact range decides, not the first (RFC 9110, 12.5.1).
            (&["*/*, application/json;q=0.1"], false),
            (&["application/json;q=0.5, */*;q=0.6"], false),
            (&["application/*;q=0.5, text/*;q=0.4"], true),
            (&["text/*, application/*"], false),
            (&["text/html;q=0, */*"], true),
            // Refusals.
            (&["application/json;q=0"], false),
            (&["application/json;q=0, */*"], false),
            (&["text/html;q=0"], false),
            (&["application/json;q=0, application/problem+json;q=0.5"], true),
            // Malformed members are skipped.
            (&["application/json;q=2, text/html;q=0.1"], false),
            (&["application/json;q=, */*"], false),
            (&["; q=1, ,application/json"], true),
            (&["text/html application/json"], false),
        ];
        for (fields, expected) in cases {
            let bytes: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            assert_eq!(asked(&bytes), *expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in proptest::collection::vec(0x20_u8..=0xff, 0..60)) {
            if HeaderValue::from_bytes(&value).is_ok() {
                asked(&[&value]);
            }
        }

        #[test]
        fn the_higher_quality_wins(json in 0_u16..=999, html in 0_u16..=999, is_first: bool) {
            let json_range = format!("application/json;q=0.{json:03}");
            let html_range = format!("text/html;q=0.{html:03}");
            let field = if is_first {
                format!("{json_range}, {html_range}")
            } else {
                format!("{html_range},{json_range}")
            };
            prop_assert_eq!(asked(&[field.as_bytes()]), json > html, "{}", field);
        }
    }
}
