//! The request fields by which a response varies (RFC 9111, 4.1), and the values by which variants are told apart.

use std::sync::Arc;

use super::super::{
    request_parts::{FieldName, Headers},
    response_lines::ResponseLines,
    token, vary,
};

/// The names in `Vary`: in lower case, sorted, each once. `Accept-Encoding` is not among them, because the cache stores
/// the identity form and encodes it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VaryNames {
    names: Arc<[Box<str>]>,
    is_any: bool,
}

/// Fields whose commas do not separate the members of a list.
const NOT_LISTS: [FieldName; 3] =
    [FieldName::UserAgent, FieldName::Referer, FieldName::Authorization];

/// More names count as `*`: such a response has more variants than a cache can use.
const MAX_NAMES: usize = 16;

// === impl VaryNames ===

impl VaryNames {
    /// Parses the `Vary` fields of a response. A name that is no token counts as `*`.
    pub fn of(lines: &ResponseLines) -> Self {
        let mut names: Vec<Box<str>> = Vec::new();
        for name in vary::names(lines.get_all(b"vary")) {
            let text = std::str::from_utf8(name).ok().filter(|_| token::is_token(name));
            match text.map(str::to_ascii_lowercase).as_deref() {
                None | Some("*") => return Self::any(),
                Some("accept-encoding") => {}
                Some(name) if names.iter().any(|known| **known == *name) => {}
                Some(_) if names.len() == MAX_NAMES => return Self::any(),
                Some(name) => names.push(name.into()),
            }
        }
        names.sort_unstable();
        Self { names: names.into(), is_any: false }
    }

    pub(super) fn any() -> Self {
        Self { is_any: true, ..Self::default() }
    }

    /// Whether the response varies by something that no field shows. It is never reused.
    pub fn is_any(&self) -> bool {
        self.is_any
    }

    /// Whether one stored response is right for every request.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.is_any
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }
}

/// Returns the value of a request field in a form that is equal for equal meanings (RFC 9111, 4.1): all lines in one,
/// without white space around commas, and languages in lower case. The order of languages stays: of two with the same
/// weight, Django and others choose the first. `None` without the field.
pub fn selecting_value(headers: &Headers, name: &str) -> Option<Vec<u8>> {
    let known = FieldName::of(name.as_bytes());
    let lines = headers.iter().filter(|(number, text, _)| {
        *number == known && (known != FieldName::Other || *text == name.as_bytes())
    });
    let lines: Vec<&[u8]> = lines.map(|(_, _, value)| value).collect();
    if lines.is_empty() {
        return None;
    }
    if known == FieldName::Cookie {
        // Applications get the lines of a cookie joined like this (RFC 9113, 8.2.3).
        return Some(lines.join(&b"; "[..]));
    }
    let joined = lines.join(&b',');
    if NOT_LISTS.contains(&known) {
        return Some(joined);
    }
    let joined = members(&joined).join(&b',');
    let is_language = known == FieldName::AcceptLanguage;
    Some(if is_language { joined.to_ascii_lowercase() } else { joined })
}

/// Splits a list at commas that are not quoted. Members that are empty are left out (RFC 9110, 5.6.1.2).
fn members(list: &[u8]) -> Vec<&[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let members = list.split(|&byte| {
        let is_end = byte == b',' && !is_quoted;
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
        is_end
    });
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::test_lines::lines, *};
    use proptest::prelude::*;

    #[test]
    fn names_are_sorted_and_unique() {
        for (fields, expected) in [
            (&[][..], &[][..]),
            (&["vary:"], &[]),
            (&["vary: Cookie"], &["cookie"]),
            (&["Vary: cookie, Accept-Encoding,Accept"], &["accept", "cookie"]),
            (&["vary: Cookie", "vary:  ,COOKIE\t, origin ,"], &["cookie", "origin"]),
            (&["x-vary: a", "vary: Accept-Encoding"], &[]),
        ] {
            let names = VaryNames::of(&lines(fields));
            assert_eq!(names.iter().collect::<Vec<_>>(), expected, "{fields:?}");
            assert_eq!((names.is_any(), names.is_empty()), (false, expected.is_empty()));
        }
    }

    #[test]
    fn asterisk_anywhere_and_malformed_names_vary_by_anything() {
        let many = format!("vary: {}", (0..17).map(|n| format!("a{n},")).collect::<String>());
        for fields in [
            &["vary: *"][..],
            &["vary: *, *"],
            &["vary: , *"],
            &["vary:", "vary: *"],
            &["vary: *, Foo"],
            &["vary: Foo, *"],
            &["vary: Foo", "vary: *"],
            &["vary: Foo Bar"],
            &["vary: Foo; *"],
            &["vary: \u{e9}"],
            &[&many],
        ] {
            let names = VaryNames::of(&lines(fields));
            assert_eq!((names.is_any(), names.is_empty()), (true, false), "{fields:?}");
        }
    }

    #[test]
    fn selecting_values_are_equal_for_equal_meanings() {
        let value = |fields: &[(&str, &str)]| {
            let headers = fields.iter().copied().collect();
            selecting_value(&headers, fields.first().map_or("foo", |(name, _)| name))
                .map(|value| String::from_utf8(value).unwrap())
        };
        for (fields, expected) in [
            (&[][..], None),
            (&[("foo", "")], Some("")),
            (&[("foo", " 1, 2 ")], Some("1,2")),
            (&[("foo", "1"), ("bar", "3"), ("foo", "2")], Some("1,2")),
            (&[("foo", "\"1, 2\" ,3")], Some("\"1, 2\",3")),
            (&[("foo", "\"1\\\", 2\", 3")], Some("\"1\\\", 2\",3")),
            (&[("accept-language", " eN ,   De;q=0.5")], Some("en,de;q=0.5")),
            (&[("accept-language", "de, en")], Some("de,en")),
            (&[("cookie", "a=b, c"), ("cookie", "d=e")], Some("a=b, c; d=e")),
            (&[("user-agent", "A (b, like c)")], Some("A (b, like c)")),
        ] {
            assert_eq!(value(fields).as_deref(), expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let headers = Headers::from_iter([("foo", &text)]);
            selecting_value(&headers, "foo");
            members(&text);
        }

        #[test]
        fn names_that_are_written_are_found(
            names in prop::collection::btree_set("[a-df-z][a-z-]{0,5}", 0..9),
            separator in "[ \t]{0,2},[ ,\t]{0,2}",
        ) {
            let field = Vec::from_iter(names.iter().rev().map(|name| name.to_ascii_uppercase())).join(&separator);
            let found = VaryNames::of(&lines(&[&format!("vary: {field}")]));
            prop_assert!(found.iter().eq(names.iter().map(String::as_str)));
        }
    }
}
