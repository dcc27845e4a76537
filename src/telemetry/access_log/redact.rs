//! Takes secrets out of a query: the values of parameters with certain names, as the application would
//! read these names, and also where a whole URL with a query is the value of a parameter.

use crate::plan::{NamePattern, Redact};

/// What stands in place of a value.
pub(super) const MASK: &[u8] = b"***";

/// Longer names than this are taken for secret ones: nobody else needs them.
const LONGEST: usize = 64;

/// A name in lower case, decoded.
#[derive(Debug)]
struct Name {
    bytes: [u8; LONGEST],
    length: usize,
    is_longer: bool,
}

/// Gives the parts of a query one after the other, with [`MASK`] in place of what is hidden.
pub(super) fn query<'a>(redact: &Redact, query: &'a [u8], mut give: impl FnMut(&'a [u8])) {
    if redact.0.is_empty() {
        return give(query);
    }
    let (mut given, mut begin) = (0, 0);
    for part in query.split(|byte| *byte == b'&') {
        let end = begin + part.len();
        if let Some(value) = secret(redact, part) {
            give(query.get(given..begin + value).unwrap_or_default());
            give(MASK);
            given = end;
        }
        begin = end + 1;
    }
    give(query.get(given..).unwrap_or_default());
}

/// The same for a URL that may have a query.
pub(super) fn url<'a>(redact: &Redact, url: &'a [u8], mut give: impl FnMut(&'a [u8])) {
    match url.iter().position(|byte| *byte == b'?').and_then(|at| url.split_at_checked(at + 1)) {
        Some((before, rest)) => {
            give(before);
            query(redact, rest, give);
        }
        None => give(url),
    }
}

/// Where in a part of a query, which has no bare `&`, a value begins that must not be told. It ends
/// with the part: what else is in there may belong to it.
fn secret(redact: &Redact, part: &[u8]) -> Option<usize> {
    let mut name = Name { bytes: [0; LONGEST], length: 0, is_longer: false };
    let mut is_value = false;
    let mut at = 0;
    while let Some((byte, length)) = decoded(part, at) {
        at += length;
        match byte {
            // Encoded ones begin a query, or another parameter of it, within the value.
            b'?' | b'&' | b';' | b'#' => {
                name.clear();
                is_value = false;
            }
            b'=' if !is_value => {
                // An empty value hides nothing.
                if name.is_secret(redact) && at < part.len() {
                    return Some(at);
                }
                is_value = true;
            }
            byte if !is_value => name.push(byte),
            _ => {}
        }
    }
    None
}

/// The byte at a place, and how many bytes stand for it.
fn decoded(part: &[u8], at: usize) -> Option<(u8, usize)> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    match part.get(at..)? {
        [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, 3)),
            _ => Some((b'%', 1)),
        },
        [b'+', ..] => Some((b' ', 1)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

// === impl Name ===

impl Name {
    fn clear(&mut self) {
        self.length = 0;
        self.is_longer = false;
    }

    fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.length) {
            Some(place) => {
                *place = byte.to_ascii_lowercase();
                self.length += 1;
            }
            None => self.is_longer = true,
        }
    }

    fn is_secret(&self, redact: &Redact) -> bool {
        let name = self.bytes.get(..self.length).unwrap_or_default();
        self.is_longer || redact.0.iter().any(|pattern| fits(pattern, name))
    }
}

fn fits(pattern: &NamePattern, name: &[u8]) -> bool {
    match pattern {
        NamePattern::Exact(text) => name == text.as_bytes(),
        NamePattern::Begin(text) => name.starts_with(text.as_bytes()),
        NamePattern::End(text) => name.ends_with(text.as_bytes()),
        NamePattern::Within(text) => {
            name.windows(text.len().max(1)).any(|part| part == text.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Redact {
        Redact(vec![
            NamePattern::Exact("key".into()),
            NamePattern::End("token".into()),
            NamePattern::Begin("x-".into()),
            NamePattern::Within("secret".into()),
        ])
    }

    fn redacted(text: &str) -> String {
        let mut out = Vec::new();
        query(&names(), text.as_bytes(), |part| out.extend_from_slice(part));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_secret_names() {
        for (from, to) in [
            ("", ""),
            ("a=1&b=2", "a=1&b=2"),
            ("key=1", "key=***"),
            ("a=1&key=2&b=3", "a=1&key=***&b=3"),
            ("KEY=1&Access_Token=2&monkey=3", "KEY=***&Access_Token=***&monkey=3"),
            ("x-a=1&my_secret_name=2&ax-=3", "x-a=***&my_secret_name=***&ax-=3"),
            // As the application decodes it.
            ("%6bey=1&to%4Ben=2&k%65%79=3", "%6bey=***&to%4Ben=***&k%65%79=***"),
            ("token=a=b==&c=d", "token=***&c=d"),
            ("key=1&key=2", "key=***&key=***"),
            ("key&token&key=", "key&token&key="),
            ("key==", "key=***"),
            ("&&key=1&", "&&key=***&"),
            // Some read ; as &, others as part of the value.
            ("a=1;key=2;b=3", "a=1;key=***"),
            ("key=1;b=3&c=4", "key=***&c=4"),
            ("next=/reset?token=a&b=1", "next=/reset?token=***&b=1"),
            ("next=%2Freset%3Fa%3D1%26token%3Da&b=1", "next=%2Freset%3Fa%3D1%26token%3D***&b=1"),
            ("next=%2Freset%3Fa=1%26b=2", "next=%2Freset%3Fa=1%26b=2"),
            ("%zz=1&%6=2&%=3&key%=4", "%zz=1&%6=2&%=3&key%=4"),
        ] {
            assert_eq!(redacted(from), to, "{from}");
        }
        let long = "n".repeat(LONGEST);
        assert_eq!(redacted(&format!("{long}=1")), format!("{long}=1"));
        assert_eq!(redacted(&format!("{long}n=1")), format!("{long}n=***"));
    }

    #[test]
    fn urls_have_a_query_behind_the_question_mark() {
        for (from, to) in [
            ("https://a.test/?token=1&b=2", "https://a.test/?token=***&b=2"),
            ("https://a.test/key=1", "https://a.test/key=1"),
            ("?", "?"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            url(&names(), from.as_bytes(), |part| out.extend_from_slice(part));
            assert_eq!(String::from_utf8(out).unwrap(), to);
        }
    }

    proptest! {
        /// However its name is written, whatever stands around it.
        #[test]
        fn the_value_is_never_told(
            before in "([a-z]{0,3}=?[a-z%;?]{0,3}&)?",
            letters in prop::collection::vec((0_u8..3, prop::char::range('a', 'z')), 0..3),
            after in "(&[a-d]{0,3}=?[a-z]{0,3})?",
        ) {
            let begin: String = letters.iter().map(|(_, letter)| *letter).collect();
            let name: String = format!("{begin}token").chars().zip((0..).map(|n| {
                letters.get(n % letters.len().max(1)).map_or(0, |(way, _)| *way)
            })).map(|(letter, way)| match way {
                0 => letter.to_string(),
                1 => letter.to_ascii_uppercase().to_string(),
                _ => format!("%{:02x}", letter as u32),
            }).collect();
            let out = redacted(&format!("{before}{name}=5EC2E7{after}"));
            prop_assert!(!out.contains("5EC2E7"), "{out}");
            let end = format!("{name}=***{after}");
            prop_assert!(out.ends_with(&end), "{}", out);
        }

        #[test]
        fn any_bytes_are_given_in_order(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            query(&Redact(Vec::new()), &bytes, |part| out.extend_from_slice(part));
            prop_assert_eq!(&out, &bytes);
            let mut rest = &bytes[..];
            query(&names(), &bytes, |part| if part != MASK {
                let at = rest.windows(part.len().max(1)).position(|seen| seen == part);
                rest = if part.is_empty() { rest } else { &rest[at.unwrap() + part.len()..] };
            });
        }
    }
}
