//! Dictionaries and lists of structured fields (RFC 9651, 3.1, 3.2 and 4.2), as far as caching needs them: members that
//! are integers, booleans, tokens, strings and inner lists. Parameters are checked and dropped.

use super::super::token;

/// The value of a member.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(i64),
    Boolean(bool),
    Token(String),
    Text(String),
    InnerList(Vec<Self>),
    /// A decimal, a byte sequence, a date or a display string: valid, and of no use here.
    Other,
}

/// The rest of a field while it is parsed.
struct Input<'a>(&'a [u8]);

/// Parses the fields of one name as a dictionary. The last of several members with the same key counts. `None` if any
/// part is malformed: then the whole field must be ignored.
pub fn dictionary<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Vec<(String, Value)>> {
    let mut members: Vec<(String, Value)> = Vec::new();
    members_of(fields, |input| {
        let key = input.key()?;
        let value = if input.takes(b'=') { input.member()? } else { Value::Boolean(true) };
        input.parameters()?;
        let count = members.len();
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None if count < MAX_MEMBERS => members.push((key, value)),
            None => return None,
        }
        Some(())
    })?;
    Some(members)
}

/// Parses the fields of one name as a list. `None` if any part is malformed.
pub fn list<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Value>> {
    let mut members = Vec::new();
    members_of(fields, |input| {
        let value = input.member()?;
        input.parameters()?;
        members.push(value);
        Some(())
    })?;
    Some(members)
}

/// More members of a dictionary make it invalid, because each is compared with all before it.
const MAX_MEMBERS: usize = 128;

/// Takes the members of all fields, which count as one with commas in between.
fn members_of<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
    mut take: impl FnMut(&mut Input<'_>) -> Option<()>,
) -> Option<()> {
    let joined = fields.collect::<Vec<_>>().join(&b", "[..]);
    let mut input = Input(joined.trim_ascii());
    if input.0.is_empty() {
        return Some(());
    }
    loop {
        take(&mut input)?;
        input.skip_space();
        if input.0.is_empty() {
            return Some(());
        }
        if !input.takes(b',') {
            return None;
        }
        input.skip_space();
        if input.0.is_empty() {
            return None;
        }
    }
}

// === impl Input ===

impl Input<'_> {
    fn takes(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// Takes the bytes for which `is_part` returns true. All of them are ASCII.
    fn run(&mut self, is_part: impl Fn(u8) -> bool) -> String {
        let end = self.0.iter().position(|&byte| !is_part(byte)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at_checked(end).unwrap_or((self.0, b""));
        self.0 = rest;
        String::from_utf8_lossy(run).into_owned()
    }

    fn key(&mut self) -> Option<String> {
        matches!(self.0.first()?, b'a'..=b'z' | b'*').then_some(())?;
        Some(self.run(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'-' | b'.' | b'*')
        }))
    }

    /// Takes an item or an inner list, without its parameters.
    fn member(&mut self) -> Option<Value> {
        if !self.takes(b'(') {
            return self.item();
        }
        let mut items = Vec::new();
        loop {
            while self.takes(b' ') {}
            if self.takes(b')') {
                return Some(Value::InnerList(items));
            }
            items.push(self.item()?);
            self.parameters()?;
            matches!(self.0.first()?, b' ' | b')').then_some(())?;
        }
    }

    fn item(&mut self) -> Option<Value> {
        match self.0.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.text().map(Value::Text),
            b'?' => {
                self.takes(b'?');
                let is_true = self.takes(b'1');
                (is_true || self.takes(b'0')).then_some(Value::Boolean(is_true))
            }
            b':' => {
                self.takes(b':');
                self.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
                self.takes(b':').then_some(Value::Other)
            }
            b'@' => {
                self.takes(b'@');
                matches!(self.number()?, Value::Integer(_)).then_some(Value::Other)
            }
            b'%' => {
                self.takes(b'%');
                self.text().map(|_| Value::Other)
            }
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => Some(Value::Token(
                self.run(|byte| token::is_token_byte(byte) || matches!(byte, b':' | b'/')),
            )),
            _ => None,
        }
    }

    /// Takes a number: at most fifteen digits, or twelve and three behind a point.
    fn number(&mut self) -> Option<Value> {
        let is_negative = self.takes(b'-');
        let whole = self.run(|byte| byte.is_ascii_digit());
        if whole.is_empty() {
            return None;
        }
        if self.takes(b'.') {
            let part = self.run(|byte| byte.is_ascii_digit());
            return (whole.len() <= 12 && (1..=3).contains(&part.len())).then_some(Value::Other);
        }
        let number: i64 = Some(whole).filter(|digits| digits.len() <= 15)?.parse().ok()?;
        Some(Value::Integer(if is_negative { -number } else { number }))
    }

    fn text(&mut self) -> Option<String> {
        self.takes(b'"').then_some(())?;
        let mut text = String::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => return Some(text),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    matches!(escaped, b'"' | b'\\').then_some(())?;
                    text.push(char::from(escaped));
                    self.0 = rest;
                }
                b' '..=b'~' => text.push(char::from(byte)),
                _ => return None,
            }
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.takes(b';') {
            while self.takes(b' ') {}
            self.key()?;
            if self.takes(b'=') {
                self.item()?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(fields: &[&str]) -> Option<Vec<(String, Value)>> {
        dictionary(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn members() {
        use Value::{Boolean, InnerList, Integer, Other, Text, Token};
        let expected = |members: &[(&str, Value)]| {
            let own = |(key, value): &(&str, Value)| ((*key).to_owned(), value.clone());
            Some(members.iter().map(own).collect::<Vec<_>>())
        };
        for (fields, members) in [
            (&["max-age=60"][..], &[("max-age", Integer(60))][..]),
            (&[""], &[]),
            (&[], &[]),
            (
                &["a, b=?0,\tc=-5;x=1;y"],
                &[("a", Boolean(true)), ("b", Boolean(false)), ("c", Integer(-5))],
            ),
            (&["a=1, b, a=2"], &[("a", Integer(2)), ("b", Boolean(true))]),
            (&["a=1", "b=x/y:z"], &[("a", Integer(1)), ("b", Token("x/y:z".into()))]),
            (&["a=\"b \\\" c\""], &[("a", Text("b \" c".into()))]),
            (
                &["a=(1 \"b\";x  );y, *=()"],
                &[
                    ("a", InnerList(vec![Integer(1), Text("b".into())])),
                    ("*", InnerList(Vec::new())),
                ],
            ),
            (
                &["b=1.5, c=:aGk=:, d=@5, e=%\"x\""],
                &[("b", Other), ("c", Other), ("d", Other), ("e", Other)],
            ),
        ] {
            assert_eq!(parse(fields), expected(members), "{fields:?}");
        }
    }

    #[test]
    fn malformed_fields_are_ignored_as_a_whole() {
        for field in [
            "Max-Age=60",
            "a=",
            "a,",
            ",a",
            "a,,b",
            "a b",
            "a=1 b",
            "a=1.",
            "a=1.2345",
            "a=1234567890123456",
            "a=\"b",
            "a=\"\u{e9}\"",
            "a=\"\\b\"",
            "a=(1",
            "a=(1,2)",
            "a=(1\"b\")",
            "a=?2",
            "a;=1",
            "a=:b",
            "a=@1.5",
            "=1",
            "a=-",
            "a==1",
            "a=%b",
            "a =1",
            "a= 1",
            "max-age=10000, &&&&&",
        ] {
            assert_eq!(parse(&[field]), None, "{field}");
        }
        let many: Vec<String> = (0..129).map(|number| format!("a{number}")).collect();
        assert_eq!(parse(&[&many.join(",")]), None);
    }

    #[test]
    fn lists() {
        let parse = |field: &str| list(std::iter::once(field.as_bytes()));
        let texts = ["a", "b c"].map(|text| Value::Text(text.to_owned()));
        assert_eq!(parse("\"a\", \"b c\";x=1").as_deref(), Some(&texts[..]));
        assert_eq!(parse(""), Some(Vec::new()));
        assert_eq!(parse("\"a\" \"b\""), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(field in prop::collection::vec(any::<u8>(), 0..60)) {
            dictionary(std::iter::once(field.as_slice()));
            list(std::iter::once(field.as_slice()));
        }

        #[test]
        fn nothing_panics_near_the_grammar(field in "[a-c0-9=\"\\\\, ;()?:@%.*-]{0,60}") {
            parse(&[&field]);
        }

        #[test]
        fn strings_that_are_written_are_read(text in "[ -~]{0,20}", number in -999_999_999_999_999_i64..=999_999_999_999_999) {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            let members = parse(&[&format!("a={number}, b=\"{escaped}\"")]);
            let expected = vec![
                ("a".to_owned(), Value::Integer(number)),
                ("b".to_owned(), Value::Text(text)),
            ];
            prop_assert_eq!(members, Some(expected));
        }
    }
}
