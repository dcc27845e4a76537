//! Conditional requests: entity tags and the order of preconditions (RFC 9110, 8.8.3 and 13.2.2).

use http::{HeaderMap, Method, header};

use super::date;

/// What the preconditions of a request lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// The validators of the representation that would be sent.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// As in the `ETag` field: quoted, with `W/` in front if weak.
    pub etag: &'a str,
    /// Seconds since 1970.
    pub modified: u64,
}

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` in the
/// order of RFC 9110, 13.2.2.
pub fn evaluate(method: &Method, headers: &HeaderMap, current: Validators<'_>) -> Verdict {
    if headers.contains_key(header::IF_MATCH) {
        if !any_tag(headers, header::IF_MATCH, |tag| strong_eq(tag, current.etag)) {
            return Verdict::PreconditionFailed;
        }
    } else if let Some(date) = date_field(headers, header::IF_UNMODIFIED_SINCE)
        && current.modified > date
    {
        return Verdict::PreconditionFailed;
    }

    let is_read = method == Method::GET || method == Method::HEAD;
    if headers.contains_key(header::IF_NONE_MATCH) {
        if any_tag(headers, header::IF_NONE_MATCH, |tag| weak_eq(tag, current.etag)) {
            return if is_read { Verdict::NotModified } else { Verdict::PreconditionFailed };
        }
    } else if let Some(date) = date_field(headers, header::IF_MODIFIED_SINCE)
        && is_read
        && current.modified <= date
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Whether a `Range` may be honoured in view of `If-Range` (RFC 9110, 13.1.5).
pub fn range_allowed(headers: &HeaderMap, current: Validators<'_>) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    if value.starts_with('"') || value.starts_with("W/") {
        return strong_eq(value, current.etag);
    }
    // The date must match exactly. It counts as strong here because the second in which a file
    // changed twice is told apart by its tag, which every client has got along with the date.
    date::parse(value) == Some(current.modified)
}

fn date_field(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    date::parse(headers.get(name)?.to_str().ok()?)
}

fn any_tag(
    headers: &HeaderMap,
    name: header::HeaderName,
    matches: impl Fn(&str) -> bool + Copy,
) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
        .any(|value| value.trim() == "*" || tags(value).any(matches))
}

/// The entity tags of a list. A tag may hold commas, so the list can't be split at them.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let end = rest.len() - opaque.len() + opaque.find('"')? + 1;
        let (tag, tail) = rest.split_at_checked(end)?;
        rest = tail;
        Some(tag)
    })
}

fn strong_eq(one: &str, other: &str) -> bool {
    !one.starts_with("W/") && one == other
}

fn weak_eq(one: &str, other: &str) -> bool {
    one.strip_prefix("W/").unwrap_or(one) == other.strip_prefix("W/").unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const NOW: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn precedence() {
        use Verdict::{NotModified, PreconditionFailed, Proceed};
        let cases: &[(&[(&str, &str)], Verdict)] = &[
            (&[], Proceed),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "\"x\", \"a\"")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "\"x,\" , \"a\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"b\"")], Proceed),
            (&[("if-none-match", "a")], Proceed),
            (&[("if-none-match", "\"b\""), ("if-modified-since", DATE)], Proceed),
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", BEFORE)], Proceed),
            (&[("if-modified-since", "nonsense")], Proceed),
            (&[("if-match", "\"a\"")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "\"b\"")], PreconditionFailed),
            (&[("if-match", "W/\"a\"")], PreconditionFailed),
            (&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Proceed),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], PreconditionFailed),
            (&[("if-unmodified-since", BEFORE)], PreconditionFailed),
            (&[("if-unmodified-since", DATE)], Proceed),
        ];
        let current = Validators { etag: "\"a\"", modified: NOW };
        for (fields, expected) in cases {
            assert_eq!(evaluate(&Method::GET, &headers(fields), current), *expected, "{fields:?}");
        }
        let put = evaluate(&Method::PUT, &headers(&[("if-none-match", "*")]), current);
        assert_eq!(put, PreconditionFailed);
    }

    #[test]
    fn if_range() {
        let strong = Validators { etag: "\"a\"", modified: NOW };
        let weak = Validators { etag: "W/\"a\"", modified: NOW };
        assert!(range_allowed(&headers(&[]), strong));
        assert!(range_allowed(&headers(&[("if-range", "\"a\"")]), strong));
        assert!(!range_allowed(&headers(&[("if-range", "\"b\"")]), strong));
        assert!(!range_allowed(&headers(&[("if-range", "W/\"a\"")]), strong));
        assert!(!range_allowed(&headers(&[("if-range", "W/\"a\"")]), weak));
        assert!(range_allowed(&headers(&[("if-range", DATE)]), strong));
        assert!(!range_allowed(&headers(&[("if-range", BEFORE)]), strong));
        assert!(!range_allowed(&headers(&[("if-range", "soon")]), strong));
    }
}
