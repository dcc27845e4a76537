//! The head of an HTTP/1 response as an application sends it (RFC 9112, 4 and 5). A proxy repairs what it must: a bare
//! LF as a line end (2.2), and space behind a name (5.1). Everything else that two readers could understand differently
//! is malformed.

use super::token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// HTTP/1.1, and not HTTP/1.0.
    pub is_http11: bool,
    /// Three digits.
    pub code: u16,
    /// Empty if there is none, or if it contains characters beyond ASCII.
    pub reason: &'a str,
}

/// Splits a complete head, including its empty line, into its status line and the lines of its fields. Each line has
/// its end, as [`field`] expects. `None` if it is not the head of a response.
pub fn split(head: &[u8]) -> Option<(StatusLine<'_>, impl Iterator<Item = &[u8]>)> {
    if has_stray_control(head) {
        return None;
    }
    let mut lines = HeadLines(head);
    let status = status_line(trim_end(lines.next()?))?;
    Some((status, lines.take_while(|line| !trim_end(line).is_empty())))
}

/// Returns the name and the value of a field, without the space around them. `None` if the line is malformed, or
/// continues the one before (5.2).
pub fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, mut rest) = line.split_at_checked(token::length(line))?;
    while let [b' ' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    match rest {
        [b':', value @ ..] if !name.is_empty() => Some((name, value.trim_ascii())),
        _ => None,
    }
}

fn status_line(line: &[u8]) -> Option<StatusLine<'_>> {
    let (version, rest) = line.split_at_checked(8)?;
    let is_http11 = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        _ => return None,
    };
    let [b' ', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = rest else {
        return None;
    };
    let code = [a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(*digit - b'0'));
    let reason = match rest {
        [] => &[][..],
        [b' ', reason @ ..] => reason,
        _ => return None,
    };
    let reason = std::str::from_utf8(reason).ok().filter(|reason| reason.is_ascii());
    Some(StatusLine { is_http11, code, reason: reason.unwrap_or_default() })
}

/// Whether there is a control character that is neither a tab nor a line end. It checks many bytes at a time, which
/// costs less than checking each line.
fn has_stray_control(head: &[u8]) -> bool {
    let is_stray = |byte: u8, next: u8| {
        ((byte < b' ') & (byte != b'\t') & (byte != b'\n') & !((byte == b'\r') & (next == b'\n')))
            | (byte == 0x7f)
    };
    let next = head.get(1..).unwrap_or_default();
    let pairs = head.iter().zip(next);
    pairs.fold(false, |found, (&byte, &next)| found | is_stray(byte, next))
        || head.last() != Some(&b'\n')
}

fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The lines of a text, each with its end.
struct HeadLines<'a>(&'a [u8]);

impl<'a> Iterator for HeadLines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.0)?;
        let (line, rest) = self.0.split_at_checked(end + 1)?;
        self.0 = rest;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn status_lines() {
        let line = |is_http11, code, reason| Some(StatusLine { is_http11, code, reason });
        for (text, expected) in [
            ("HTTP/1.1 200 OK", line(true, 200, "OK")),
            ("HTTP/1.0 404 Not\tFound ", line(false, 404, "Not\tFound ")),
            ("HTTP/1.1 200 ", line(true, 200, "")),
            ("HTTP/1.1 099", line(true, 99, "")),
            ("HTTP/1.1 200 Sch\u{f6}n", line(true, 200, "")),
            ("HTTP/1.1 2000", None),
            ("HTTP/1.1 20", None),
            ("HTTP/1.1  200", None),
            ("HTTP/1.2 200", None),
            ("HTTP/2 200", None),
            ("http/1.1 200", None),
        ] {
            assert_eq!(status_line(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn fields() {
        for (line, expected) in [
            ("A: b", Some(("A", "b"))),
            ("A:", Some(("A", ""))),
            ("A \t:\t b c \t", Some(("A", "b c"))),
            ("A: b: c", Some(("A", "b: c"))),
            (": b", None),
            (" A: b", None),
            ("A b: c", None),
            ("A", None),
        ] {
            let expected = expected.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            assert_eq!(field(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn controls_are_malformed() {
        for byte in 0..=u8::MAX {
            let head = [b"HTTP/1.1 200 OK\r\nA: b", &[byte][..], b"c\r\n\r\n"].concat();
            let is_control = byte.is_ascii_control() && byte != b'\t' && byte != b'\n';
            assert_eq!(split(&head).is_none(), is_control, "{byte}");
        }
        assert!(split(b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n").is_none());
        assert!(split(b"HTTP/1.1 200 OK\nA: b\n\n").is_some());
    }

    /// The result of httparse for these bytes.
    type Read = (bool, u16, String, Vec<(String, Vec<u8>)>);

    fn by_httparse(head: &[u8]) -> Option<Read> {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut slots);
        let mut parser = httparse::ParserConfig::default();
        parser.allow_spaces_after_header_name_in_responses(true);
        let parsed = parser.parse_response(&mut response, head).ok()?;
        parsed.is_complete().then(|| {
            let fields = response.headers.iter();
            let fields = fields.map(|field| (field.name.to_owned(), field.value.to_vec()));
            let (code, reason) = (response.code.unwrap(), response.reason.unwrap());
            (response.version == Some(1), code, reason.to_owned(), fields.collect())
        })
    }

    fn by_this(head: &[u8]) -> Option<Read> {
        let (status, lines) = split(head)?;
        let fields: Option<Vec<_>> = lines
            .map(|line| {
                let (name, value) = field(line)?;
                Some((String::from_utf8(name.to_vec()).ok()?, value.to_vec()))
            })
            .collect();
        Some((status.is_http11, status.code, status.reason.to_owned(), fields?))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn httparse_reads_the_same(
            status in "HTTP/1\\.[0-2] ?[0-9]{2,4} {0,2}[ -~\\t\u{e4}]{0,6}",
            fields in prop::collection::vec("[ \\ta-zA-Z:!_\"(-]{0,6}[ \\t]?:?[ -~\\t\u{e4}\u{7f}\u{1}]{0,6}", 0..4),
            end in "\r?\n|\r\r\n|\r",
        ) {
            let mut head = format!("{status}\r\n");
            for (place, field) in fields.iter().filter(|field| !field.is_empty()).enumerate() {
                head += field;
                head += if place == 0 { &end } else { "\r\n" };
            }
            head += "\r\n";
            // The part behind the first empty line does not belong to a head.
            prop_assume!(!head.trim_end().contains("\n\r\n") && !head.trim_end().contains("\n\n"));
            prop_assert_eq!(by_this(head.as_bytes()), by_httparse(head.as_bytes()), "{:?}", head);
        }
    }
}
