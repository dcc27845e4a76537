//! Header fields of a response as HTTP/1 writes them (RFC 9112, 5). Responses of the application, and of files in
//! memory, are relayed in this form, without a map in between.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request_parts::FieldName;

/// Field lines, each with its CRLF. Names are in lower case, with a colon behind them.
#[derive(Clone, Debug, Default)]
pub struct ResponseLines {
    text: Bytes,
    /// The value of `Content-Length`, if there is one.
    pub length: Option<u64>,
    pub has_date: bool,
    pub has_request_id: bool,
}

/// A builder of header lines.
#[derive(Debug, Default)]
pub struct ResponseLinesBuilder {
    text: Vec<u8>,
    length: Option<u64>,
    has_date: bool,
    has_request_id: bool,
}

// === impl ResponseLines ===

impl ResponseLines {
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Iterates over names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.text[..];
        std::iter::from_fn(move || {
            let (name, value, behind) = split(rest)?;
            rest = behind;
            Some((name, value))
        })
    }

    /// Returns the fields for whose names `is_kept` returns true.
    #[must_use]
    pub fn filtered(&self, is_kept: impl Fn(&[u8]) -> bool) -> Self {
        let mut kept = ResponseLinesBuilder::with_capacity(self.text.len());
        for (name, value) in self.iter().filter(|(name, _)| is_kept(name)) {
            match (FieldName::of(name), self.length) {
                (FieldName::ContentLength, Some(length)) => kept.set_length(length),
                (known, _) => kept.push(known, name, value),
            }
        }
        kept.build()
    }

    /// Returns the fields with more lines behind them, which `write` appends, each with its CRLF: about `room` bytes.
    /// None may be a field that `length` and the flags are about.
    #[must_use]
    pub fn with_lines(&self, room: usize, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + room);
        text.extend_from_slice(&self.text);
        write(&mut text);
        Self { text: text.into(), ..*self }
    }

    /// Iterates over the values of the fields of this name, which is in lower case.
    pub fn get_all<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.places(name).map(|place| self.text.get(place).unwrap_or_default().trim_ascii())
    }

    /// Returns the value of the first field of this name, if it is text.
    pub fn get_str<'a>(&'a self, name: &[u8]) -> Option<&'a str> {
        std::str::from_utf8(self.get_all(name).next()?).ok()
    }

    /// Returns the fields with one more member in a list: at the end of its first line, or in a line of its own.
    #[must_use]
    pub fn with_member(&self, name: &[u8], member: &[u8]) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + name.len() + member.len() + 4);
        match self.places(name).next() {
            Some(Range { start, end }) => {
                let value = self.text.get(start..end).unwrap_or_default().trim_ascii_end();
                let (at, separator) = match value {
                    [] if start == end => (end, &b" "[..]),
                    [] => (end, &b""[..]),
                    _ => (start + value.len(), &b", "[..]),
                };
                let (before, after) = self.text.split_at(at);
                for part in [before, separator, member, after] {
                    text.extend_from_slice(part);
                }
            }
            None => {
                for part in [&self.text, name, b": ", member, b"\r\n"] {
                    text.extend_from_slice(part);
                }
            }
        }
        Self { text: text.into(), ..*self }
    }

    /// Iterates over the places of the values of a field, each from its colon to the end of its line.
    fn places(&self, name: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let mut next = 0;
        std::iter::from_fn(move || {
            loop {
                let line = self.text.get(next..)?;
                let begin = next + name.len() + 1;
                let end = next + memchr::memchr(b'\r', line)?;
                next = end + 2;
                let rest = line.strip_prefix(name);
                if rest.is_some_and(|rest| rest.first() == Some(&b':')) {
                    return Some(begin..end);
                }
            }
        })
    }

    /// Returns the fields as a map, for callers that change or look up single ones.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.iter().count());
        for (name, value) in self.iter() {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name),
                HeaderValue::from_maybe_shared(self.text.slice_ref(value)),
            ) {
                map.append(name, value);
            }
        }
        map
    }
}

/// Splits off the first line: its name, its value, and the rest.
fn split(lines: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = memchr::memchr(b'\r', lines)?;
    let line = lines.get(..end)?;
    let colon = memchr::memchr(b':', line)?;
    Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii(), lines.get(end + 2..)?))
}

impl From<&HeaderMap> for ResponseLines {
    fn from(map: &HeaderMap) -> Self {
        let mut lines = ResponseLinesBuilder::default();
        for (name, value) in map {
            let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
            let known = FieldName::of(name);
            let text = std::str::from_utf8(value).unwrap_or_default();
            match text.parse() {
                Ok(length) if known == FieldName::ContentLength => lines.set_length(length),
                Ok(_) | Err(_) => lines.push(known, name, value),
            }
        }
        lines.build()
    }
}

// === impl ResponseLinesBuilder ===

impl ResponseLinesBuilder {
    /// Creates a builder with the given capacity in bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Appends a field other than `Content-Length`. `name` is a token in any case; `value` has no control characters
    /// except tabs.
    pub fn push(&mut self, known: FieldName, name: &[u8], value: &[u8]) {
        let at = self.text.len();
        for part in [name, b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        self.note(known, at..at + name.len());
    }

    /// Appends the line of such a field as received, with its end. Repairs what a proxy must repair
    /// (`rfc::response_head`).
    pub fn push_line(&mut self, known: FieldName, (name, value): (&[u8], &[u8]), line: &[u8]) {
        let is_clean = line.ends_with(b"\r\n") && line.get(name.len()) == Some(&b':');
        if !is_clean {
            return self.push(known, name, value);
        }
        let at = self.text.len();
        self.text.extend_from_slice(line);
        self.note(known, at..at + name.len());
    }

    /// Records the name of a new line, and converts it to lower case.
    fn note(&mut self, known: FieldName, name: Range<usize>) {
        self.has_date |= known == FieldName::Date;
        self.has_request_id |= known == FieldName::XRequestId;
        let Some(name) = self.text.get_mut(name) else { return };
        if known == FieldName::Other {
            name.make_ascii_lowercase();
        } else {
            name.copy_from_slice(known.text().as_bytes());
        }
    }

    /// Appends `Content-Length`. Must be called at most once.
    pub fn set_length(&mut self, length: u64) {
        self.text.extend_from_slice(b"content-length: ");
        self.text.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        self.text.extend_from_slice(b"\r\n");
        self.length = Some(length);
    }

    /// Returns the appended lines.
    pub fn build(self) -> ResponseLines {
        let Self { text, length, has_date, has_request_id } = self;
        ResponseLines { text: text.into(), length, has_date, has_request_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(fields: &[(&str, &str)]) -> ResponseLines {
        let mut lines = ResponseLinesBuilder::default();
        for (name, value) in fields {
            lines.push(FieldName::of(name.as_bytes()), name.as_bytes(), value.as_bytes());
        }
        lines.build()
    }

    #[test]
    fn lines_are_added_behind_the_others() {
        let before = lines(&[("date", "x"), ("a", "b")]);
        let after = before.with_lines(8, |text| text.extend_from_slice(b"age: 5\r\nc: \r\n"));
        assert_eq!(after.as_bytes(), b"date: x\r\na: b\r\nage: 5\r\nc: \r\n");
        assert!(after.has_date && !after.has_request_id && after.length.is_none());
    }

    #[test]
    fn lines_are_kept_or_repaired() {
        let mut lines = ResponseLinesBuilder::with_capacity(64);
        lines.push_line(FieldName::Date, (b"Date", b"x"), b"Date:x\r\n");
        lines.push_line(FieldName::Other, (b"X-A", b""), b"X-A : \r\n");
        lines.push_line(FieldName::Other, (b"x-b", b"c"), b"x-b: c\n");
        lines.set_length(5);
        let lines = lines.build();
        let text = b"date:x\r\nx-a: \r\nx-b: c\r\ncontent-length: 5\r\n";
        assert_eq!(lines.as_bytes(), text);
        let fields: Vec<_> = lines.iter().take(2).collect();
        assert_eq!(fields, [(&b"date"[..], &b"x"[..]), (b"x-a", b"")]);
        assert_eq!((lines.length, lines.has_date, lines.has_request_id), (Some(5), true, false));
    }

    #[test]
    fn members_are_added_to_the_first_line_of_their_name() {
        for (fields, expected) in [
            (&[][..], "vary: A\r\n"),
            (&[("x", "b")], "x: b\r\nvary: A\r\n"),
            (&[("vary", "B"), ("x", "b"), ("vary", "C")], "vary: B, A\r\nx: b\r\nvary: C\r\n"),
            (&[("x-vary", "B"), ("vary", "")], "x-vary: B\r\nvary: A\r\n"),
            (&[("vary-x", "B")], "vary-x: B\r\nvary: A\r\n"),
        ] {
            assert_eq!(lines(fields).with_member(b"vary", b"A").as_bytes(), expected.as_bytes());
        }
        for (received, expected) in
            [("vary:B \t\r\n", "vary:B, A \t\r\n"), ("vary:\r\n", "vary: A\r\n")]
        {
            let mut lines = ResponseLinesBuilder::default();
            lines.push_line(FieldName::Other, (b"vary", b""), received.as_bytes());
            let lines = lines.build().with_member(b"vary", b"A");
            assert_eq!(lines.as_bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn filtered_lines_have_the_right_flags() {
        let mut all = ResponseLinesBuilder::default();
        all.push(FieldName::XRequestId, b"x-request-id", b"7");
        all.push(FieldName::Date, b"date", b"x");
        all.push(FieldName::Other, b"x-a", b"b");
        all.set_length(5);
        let all = all.build();
        let left = all.filtered(|name| name != b"date" && name != b"content-length");
        assert_eq!(left.as_bytes(), b"x-request-id: 7\r\nx-a: b\r\n");
        assert_eq!((left.length, left.has_date, left.has_request_id), (None, false, true));
        let same = all.filtered(|_| true);
        assert_eq!(same.as_bytes(), all.as_bytes());
        assert_eq!((same.length, same.has_date), (Some(5), true));
    }

    #[test]
    fn a_map_has_each_value() {
        let map = lines(&[("Set-Cookie", "a=1"), ("x-a", "b: c"), ("set-cookie", "b=2")]).to_map();
        let cookies: Vec<_> = map.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(map["x-a"], "b: c");
    }

    proptest! {
        #[test]
        fn values_of_a_name_are_those_of_the_map(
            fields in prop::collection::vec(("(a|b|ab|ba|a-b)", "[!-~]([ :-~]{0,8}[!-~])?"), 0..8),
            name in "(a|b|ab|ba|a-b|c)",
        ) {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
            let all = lines(&fields);
            let expected = fields.iter().filter(|(one, _)| *one == name).map(|(_, value)| value.as_bytes());
            prop_assert!(all.get_all(name.as_bytes()).eq(expected));
        }

        #[test]
        fn maps_and_lines_say_the_same(
            fields in prop::collection::vec(("[a-z][a-z-]{0,8}", "[!-~]([ -~]{0,8}[!-~])?"), 0..8),
        ) {
            let mut map = HeaderMap::new();
            for (name, value) in &fields {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                map.append(name, HeaderValue::from_str(value).unwrap());
            }
            prop_assert_eq!(ResponseLines::from(&map).to_map(), map);
        }
    }
}
