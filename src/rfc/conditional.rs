//! Conditional requests: entity tags and the order of preconditions (RFC 9110, 8.8 and 13).

use http::Method;

use super::{
    date,
    request_parts::{FieldName, Headers},
};

/// The result of a request's preconditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreconditionResult {
    /// Serve the representation.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// The validators of the representation that would be sent. A representation that changes all the time has none: it
/// matches no tag and is newer than any date.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// As in the `ETag` field: quoted, with `W/` in front if weak.
    pub etag: Option<&'a str>,
    /// Seconds since 1970.
    pub modified: Option<u64>,
}

/// The age in seconds from which a modification date may count as a strong validator.
///
/// A file can change twice within a second, and then both versions have one date. By 8.8.2.2 a client must not use a
/// date in `If-Range` unless its copy was made at least a second after that date. Not every client checks that, and the
/// file system may use another machine's clock. HTTP has long allowed two clocks to differ by a minute, so a younger
/// date is ignored, and the client gets the whole.
const STRONG_AFTER: u64 = 60;

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since` in the order of RFC 9110,
/// 13.2.2. A current representation must exist: `current` holds its validators.
pub fn evaluate(method: &Method, headers: &Headers, current: Validators<'_>) -> PreconditionResult {
    // Conditions do not apply to methods that neither select nor change a representation (13.2.1).
    if matches!(*method, Method::OPTIONS | Method::CONNECT | Method::TRACE) {
        return PreconditionResult::Proceed;
    }

    let is_same = match names_current(headers, FieldName::IfMatch, current, strong_eq) {
        Some(names_current) => names_current,
        None => date_field(headers, FieldName::IfUnmodifiedSince)
            .is_none_or(|date| current.is_unmodified_since(date)),
    };
    if !is_same {
        return PreconditionResult::PreconditionFailed;
    }

    let is_read = *method == Method::GET || *method == Method::HEAD;
    let is_known = match names_current(headers, FieldName::IfNoneMatch, current, weak_eq) {
        Some(names_current) => names_current,
        // For GET and HEAD only (13.1.3).
        None if is_read => date_field(headers, FieldName::IfModifiedSince)
            .is_some_and(|date| current.is_unmodified_since(date)),
        None => false,
    };
    match (is_known, is_read) {
        (false, _) => PreconditionResult::Proceed,
        (true, true) => PreconditionResult::NotModified,
        (true, false) => PreconditionResult::PreconditionFailed,
    }
}

/// Whether `If-Range` allows a `Range` to be honoured (RFC 9110, 13.1.5). `now` is in seconds since 1970. Anything but
/// one strong validator of the current representation disables the range, including malformed and repeated values.
pub fn range_allowed(headers: &Headers, current: Validators<'_>, now: u64) -> bool {
    let mut fields = headers.get_all(FieldName::IfRange);
    let Some(value) = fields.next() else { return true };
    if fields.next().is_some() {
        return false;
    }
    if value.starts_with(b"\"") || value.starts_with(b"W/") {
        return current.etag.is_some_and(|etag| strong_eq(value, etag.as_bytes()));
    }
    // The date must match exactly: a later one belongs to another version as well.
    let date = std::str::from_utf8(value).ok().and_then(date::parse);
    current.modified.is_some_and(|modified| {
        date == Some(modified) && now >= modified.saturating_add(STRONG_AFTER)
    })
}

/// Whether `If-None-Match` names the weak form of a strong tag, and not the tag itself.
pub fn names_only_weak(headers: &Headers, strong: &[u8]) -> bool {
    let named = || headers.get_all(FieldName::IfNoneMatch).flat_map(tags);
    strong.starts_with(b"\"")
        && named().any(|tag| tag.strip_prefix(b"W/") == Some(strong))
        && !named().any(|tag| tag == strong)
}

// === impl Validators ===

impl Validators<'_> {
    fn is_unmodified_since(&self, date: u64) -> bool {
        self.modified.is_some_and(|modified| modified <= date)
    }
}

/// Whether a field names the current representation, by `*` or by a tag; `None` without the field.
fn names_current(
    headers: &Headers,
    name: FieldName,
    current: Validators<'_>,
    is_equal: fn(&[u8], &[u8]) -> bool,
) -> Option<bool> {
    let mut fields = headers.get_all(name);
    let first = fields.next()?;
    let second = fields.next();
    // An asterisk must be the whole value (13.1.1, 13.1.2).
    if second.is_none() && first.trim_ascii() == b"*" {
        return Some(true);
    }
    let Some(etag) = current.etag.map(str::as_bytes) else { return Some(false) };
    let mut lists = std::iter::once(first).chain(second).chain(fields);
    Some(lists.any(|list| tags(list).any(|tag| is_equal(tag, etag))))
}

/// Returns a date. Invalid and repeated dates give `None`, because they are ignored (13.1.3, 13.1.4).
fn date_field(headers: &Headers, name: FieldName) -> Option<u64> {
    let mut fields = headers.get_all(name);
    let value = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    date::parse(std::str::from_utf8(value).ok()?)
}

/// Iterates over the entity tags of a list, up to the first malformed one. A tag may hold commas, so the list cannot be
/// split at them; it may also hold bytes that are not text (8.8.3).
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let opaque = rest.strip_prefix(b"W/").unwrap_or(rest).strip_prefix(b"\"")?;
        let end = rest.len() - opaque.len() + memchr::memchr(b'"', opaque)? + 1;
        let (tag, tail) = rest.split_at_checked(end)?;
        rest = tail.trim_ascii_start();
        (rest.is_empty() || rest.starts_with(b",")).then_some(tag)
    })
}

/// Strong comparison (8.8.3.2).
fn strong_eq(one: &[u8], other: &[u8]) -> bool {
    !one.starts_with(b"W/") && one == other
}

/// Weak comparison (8.8.3.2).
fn weak_eq(one: &[u8], other: &[u8]) -> bool {
    one.strip_prefix(b"W/").unwrap_or(one) == other.strip_prefix(b"W/").unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PreconditionResult::{NotModified, PreconditionFailed, Proceed};
    use http::HeaderValue;
    use proptest::prelude::*;

    const MODIFIED: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const OBSOLETE: [&str; 2] = ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
    const STRONG: Validators<'_> = Validators { etag: Some("\"a\""), modified: Some(MODIFIED) };
    const WEAK: Validators<'_> = Validators { etag: Some("W/\"a\""), modified: Some(MODIFIED) };
    const NONE: Validators<'_> = Validators { etag: None, modified: None };

    type Fields<'a> = &'a [(&'static str, &'a str)];

    fn headers(fields: Fields<'_>) -> Headers {
        fields.iter().copied().collect()
    }

    fn check(method: &Method, current: Validators<'_>, cases: &[(Fields<'_>, PreconditionResult)]) {
        for (fields, expected) in cases {
            let received = evaluate(method, &headers(fields), current);
            assert_eq!(received, *expected, "{method} {fields:?} {current:?}");
        }
    }

    #[test]
    fn if_none_match() {
        let cases: &[(Fields<'_>, PreconditionResult)] = &[
            (&[], Proceed),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "\"x\", \"a\"")], NotModified),
            (&[("if-none-match", "\"x\",\"a\"")], NotModified),
            (&[("if-none-match", ",, \"x\"\t, ,W/\"a\" ,")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "\"x,\" , \"a\"")], NotModified),
            (&[("if-none-match", "\"\u{fc}\", \"a\"")], NotModified),
            (&[("if-none-match", "\"b\"")], Proceed),
            (&[("if-none-match", "\"\"")], Proceed),
            (&[("if-none-match", "\"A\"")], Proceed),
            (&[("if-none-match", "\"x,\"a\"\"")], Proceed),
            (&[("if-none-match", "")], Proceed),
            (&[("if-none-match", "a")], Proceed),
            (&[("if-none-match", "\"a")], Proceed),
            (&[("if-none-match", "w/\"a\"")], Proceed),
            (&[("if-none-match", "\"a\"b")], Proceed),
            // An asterisk must be the whole value.
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", " * ")], NotModified),
            (&[("if-none-match", "*, \"b\"")], Proceed),
            (&[("if-none-match", "*"), ("if-none-match", "\"b\"")], Proceed),
            (&[("if-none-match", "\"*\"")], Proceed),
        ];
        for method in [Method::GET, Method::HEAD] {
            check(&method, STRONG, cases);
            check(&method, WEAK, cases);
        }
        for method in [Method::PUT, Method::POST, Method::DELETE] {
            check(
                &method,
                STRONG,
                &[
                    (&[("if-none-match", "*")], PreconditionFailed),
                    (&[("if-none-match", "W/\"a\"")], PreconditionFailed),
                    (&[("if-none-match", "\"b\"")], Proceed),
                ],
            );
        }
    }

    #[test]
    fn weak_forms_of_a_tag() {
        for (field, expected) in [
            ("W/\"a\"", true),
            ("\"b\", W/\"a\"", true),
            ("\"a\"", false),
            ("W/\"a\", \"a\"", false),
            ("W/\"b\"", false),
            ("*", false),
        ] {
            let headers = headers(&[("if-none-match", field)]);
            assert_eq!(names_only_weak(&headers, b"\"a\""), expected, "{field}");
            assert!(!names_only_weak(&headers, b"W/\"a\""), "{field}");
        }
    }

    #[test]
    fn if_match() {
        let cases: &[(Fields<'_>, PreconditionResult)] = &[
            (&[("if-match", "\"a\"")], Proceed),
            (&[("if-match", "\"x\", \"a\"")], Proceed),
            (&[("if-match", "\"x\""), ("if-match", "\"a\"")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "\"b\"")], PreconditionFailed),
            (&[("if-match", "")], PreconditionFailed),
            (&[("if-match", "a")], PreconditionFailed),
            (&[("if-match", "W/\"a\"")], PreconditionFailed),
            (&[("if-match", "*, \"b\"")], PreconditionFailed),
            (&[("if-match", "\"b\""), ("if-match", "*")], PreconditionFailed),
        ];
        for method in [Method::GET, Method::HEAD, Method::PUT] {
            check(&method, STRONG, cases);
            // No tag matches a weak one strongly, not even itself (8.8.3.2).
            check(
                &method,
                WEAK,
                &[
                    (&[("if-match", "W/\"a\"")], PreconditionFailed),
                    (&[("if-match", "\"a\"")], PreconditionFailed),
                    (&[("if-match", "*")], Proceed),
                ],
            );
        }
    }

    #[test]
    fn dates() {
        let reads: &[(Fields<'_>, PreconditionResult)] = &[
            (&[("if-modified-since", DATE)], NotModified),
            (&[("if-modified-since", AFTER)], NotModified),
            (&[("if-modified-since", BEFORE)], Proceed),
            (&[("if-modified-since", OBSOLETE[0])], NotModified),
            (&[("if-modified-since", OBSOLETE[1])], NotModified),
        ];
        let all: &[(Fields<'_>, PreconditionResult)] = &[
            (&[("if-unmodified-since", BEFORE)], PreconditionFailed),
            (&[("if-unmodified-since", DATE)], Proceed),
            (&[("if-unmodified-since", AFTER)], Proceed),
            (&[("if-unmodified-since", "Sunday, 06-Nov-94 08:49:36 GMT")], PreconditionFailed),
            (&[("if-unmodified-since", "Sun Nov  6 08:49:36 1994")], PreconditionFailed),
            // Invalid dates, and lists of dates, are ignored (13.1.3, 13.1.4).
            (&[("if-modified-since", "nonsense")], Proceed),
            (&[("if-modified-since", "")], Proceed),
            (&[("if-modified-since", "784111777")], Proceed),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT, Sun")], Proceed),
            (&[("if-modified-since", DATE), ("if-modified-since", DATE)], Proceed),
            (&[("if-unmodified-since", "nonsense")], Proceed),
            (&[("if-unmodified-since", BEFORE), ("if-unmodified-since", BEFORE)], Proceed),
        ];
        for method in [Method::GET, Method::HEAD] {
            check(&method, STRONG, reads);
            check(&method, STRONG, all);
        }
        for method in [Method::PUT, Method::POST] {
            check(&method, STRONG, &[(&[("if-modified-since", DATE)], Proceed)]);
            check(&method, STRONG, all);
        }
    }

    #[test]
    fn precedence() {
        let cases: &[(Fields<'_>, PreconditionResult)] = &[
            (&[("if-none-match", "\"b\""), ("if-modified-since", DATE)], Proceed),
            (&[("if-none-match", "b"), ("if-modified-since", DATE)], Proceed),
            (&[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], NotModified),
            (&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], Proceed),
            (&[("if-match", "\"b\""), ("if-unmodified-since", DATE)], PreconditionFailed),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], PreconditionFailed),
            (&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], NotModified),
            (&[("if-unmodified-since", BEFORE), ("if-none-match", "\"a\"")], PreconditionFailed),
            (&[("if-unmodified-since", DATE), ("if-modified-since", DATE)], NotModified),
        ];
        check(&Method::GET, STRONG, cases);
        for method in [Method::OPTIONS, Method::TRACE, Method::CONNECT] {
            check(
                &method,
                STRONG,
                &[
                    (&[("if-match", "\"b\"")], Proceed),
                    (&[("if-none-match", "*")], Proceed),
                    (&[("if-unmodified-since", BEFORE)], Proceed),
                ],
            );
        }
    }

    #[test]
    fn if_range() {
        let cases: &[(Fields<'_>, bool)] = &[
            (&[], true),
            (&[("if-range", "\"a\"")], true),
            (&[("if-range", "\"b\"")], false),
            (&[("if-range", "W/\"a\"")], false),
            (&[("if-range", "\"a\", \"b\"")], false),
            (&[("if-range", "\"a\""), ("if-range", "\"a\"")], false),
            (&[("if-range", "a")], false),
            (&[("if-range", "*")], false),
            (&[("if-range", "")], false),
            (&[("if-range", "soon")], false),
            (&[("if-range", "\u{fc}")], false),
            (&[("if-range", DATE)], true),
            (&[("if-range", OBSOLETE[0])], true),
            (&[("if-range", OBSOLETE[1])], true),
            (&[("if-range", BEFORE)], false),
            (&[("if-range", AFTER)], false),
            (&[("if-range", DATE), ("if-range", DATE)], false),
        ];
        let now = MODIFIED + 3600;
        for (fields, expected) in cases {
            assert_eq!(range_allowed(&headers(fields), STRONG, now), *expected, "{fields:?}");
        }
        for value in ["\"a\"", "W/\"a\""] {
            assert!(!range_allowed(&headers(&[("if-range", value)]), WEAK, now), "{value}");
        }
        // A tag that is not known to be strong yet leaves the date as the validator.
        assert!(range_allowed(&headers(&[("if-range", DATE)]), WEAK, now));
    }

    #[test]
    fn missing_validators_never_match() {
        check(
            &Method::GET,
            NONE,
            &[
                (&[], Proceed),
                (&[("if-none-match", "\"a\"")], Proceed),
                (&[("if-none-match", "\"\"")], Proceed),
                (&[("if-none-match", "*")], NotModified),
                (&[("if-modified-since", AFTER)], Proceed),
                (&[("if-match", "\"a\"")], PreconditionFailed),
                (&[("if-match", "*")], Proceed),
                (&[("if-unmodified-since", AFTER)], PreconditionFailed),
            ],
        );
        for value in ["\"a\"", "\"\"", DATE] {
            let headers = headers(&[("if-range", value)]);
            assert!(!range_allowed(&headers, NONE, u64::MAX), "{value}");
        }
        assert!(range_allowed(&headers(&[]), NONE, 0));
    }

    #[test]
    fn a_young_date_is_weak() {
        let date = headers(&[("if-range", DATE)]);
        for (now, expected) in [
            (MODIFIED - 10, false),
            (MODIFIED, false),
            (MODIFIED + 59, false),
            (MODIFIED + 60, true),
            (u64::MAX, true),
        ] {
            assert_eq!(range_allowed(&date, STRONG, now), expected, "{now}");
        }
        let tag = headers(&[("if-range", "\"a\"")]);
        assert!(range_allowed(&tag, STRONG, MODIFIED));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            name in prop_oneof![
                Just("if-match"), Just("if-none-match"), Just("if-range"),
                Just("if-modified-since"), Just("if-unmodified-since"),
            ],
            value in "[\"W/,*a \\PC]{0,30}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} .*",
        ) {
            if HeaderValue::from_bytes(value.as_bytes()).is_ok() {
                let headers = headers(&[(name, &value)]);
                evaluate(&Method::GET, &headers, STRONG);
                range_allowed(&headers, STRONG, MODIFIED);
            }
        }

        #[test]
        fn every_tag_of_a_list_is_found(
            mut list in proptest::collection::vec("(W/)?\"[!#-~]{0,9}\"", 0..8),
            place in 0_usize..8,
            separator in "[ \t]{0,2},[, \t]{0,3}",
        ) {
            list.insert(place.min(list.len()), "\"the,one\"".to_owned());
            let headers = headers(&[("if-none-match", &list.join(&separator))]);
            let current = Validators { etag: Some("\"the,one\""), modified: Some(MODIFIED) };
            prop_assert_eq!(evaluate(&Method::GET, &headers, current), NotModified);
        }
    }
}
