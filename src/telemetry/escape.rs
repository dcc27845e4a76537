//! Escapes text from the network for log lines, and limits its length.

use std::borrow::Cow;

/// The format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineForm {
    /// JSON strings (RFC 8259, 7). Bytes that are not UTF-8 become U+FFFD, so every line is valid JSON.
    Json,
    /// The escapes of nginx and Apache within quotes.
    Combined,
}

/// A text that is appended to a line. A long text is cut between two characters or escapes, including those of URLs,
/// and ends with a mark.
#[derive(Debug)]
pub struct EscapedText<'a> {
    line: &'a mut Vec<u8>,
    form: LineForm,
    start: usize,
    end: usize,
    is_cut: bool,
}

/// Appends a text in quotes, with at most `max` bytes.
pub fn quoted(line: &mut Vec<u8>, form: LineForm, bytes: &[u8], max: usize) {
    let mut text = EscapedText::begin_quoted(line, form, max);
    text.push(bytes);
    text.end_quoted();
}

// === impl EscapedText ===

impl<'a> EscapedText<'a> {
    /// Begins a text of at most this many bytes, without the mark.
    pub fn begin(line: &'a mut Vec<u8>, form: LineForm, max: usize) -> Self {
        let start = line.len();
        Self { line, form, start, end: start + max, is_cut: false }
    }

    /// Begins a text with a quote before it.
    pub fn begin_quoted(line: &'a mut Vec<u8>, form: LineForm, max: usize) -> Self {
        line.push(b'"');
        Self::begin(line, form, max)
    }

    /// Appends a part. Must not be split within a character.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_cut {
            return;
        }
        let room = self.end.saturating_sub(self.line.len());
        // Without an early exit the compiler can process many bytes at a time.
        if bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
            self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            if bytes.len() > room {
                self.cut();
            }
            return;
        }
        match self.form {
            LineForm::Json => {
                for chunk in bytes.utf8_chunks() {
                    for char in chunk.valid().chars() {
                        self.unit(|line| json_char(line, char));
                    }
                    if !chunk.invalid().is_empty() {
                        self.unit(|line| line.extend_from_slice("\u{fffd}".as_bytes()));
                    }
                    if self.is_cut {
                        return;
                    }
                }
            }
            LineForm::Combined => bytes.iter().for_each(|&byte| {
                self.unit(|line| combined_byte(line, byte));
            }),
        }
    }

    /// Ends the text, with the mark if it was cut.
    pub fn end(self) {
        if self.is_cut {
            self.line.extend_from_slice(match self.form {
                LineForm::Json => "\u{2026}".as_bytes(),
                LineForm::Combined => b"...",
            });
        }
    }

    /// Ends the text with a quote after it.
    pub fn end_quoted(self) {
        let Self { line, form, start, end, is_cut } = self;
        EscapedText { line: &mut *line, form, start, end, is_cut }.end();
        line.push(b'"');
    }

    /// Appends text that must not be split.
    fn unit(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.is_cut {
            return;
        }
        let before = self.line.len();
        write(self.line);
        if self.line.len() > self.end {
            self.line.truncate(before);
            self.cut();
        }
    }

    /// Removes the beginning of an incomplete percent-encoded byte.
    fn cut(&mut self) {
        self.is_cut = true;
        let begun = match self.line.get(self.start..).unwrap_or_default() {
            [.., b'%'] => 1,
            [.., b'%', digit] if digit.is_ascii_hexdigit() => 2,
            _ => 0,
        };
        self.line.truncate(self.line.len().saturating_sub(begun));
    }
}

/// Printable ASCII that needs no escape in either format.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

/// Returns whether a character is invisible or affects the display. These are control characters (terminals treat
/// U+009B like ESC [, some readers end a line at U+0085), line separators, characters that change the direction of
/// text, and characters without width, which can hide in names.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escapes text for an event: invisible characters are written as in Rust (`\n`, `\u{9b}`).
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match is_unseen(char) {
            true => escaped.extend(char.escape_default()),
            false => escaped.push(char),
        }
    }
    Cow::Owned(escaped)
}

fn combined_byte(line: &mut Vec<u8>, byte: u8) {
    if is_plain(byte) {
        line.push(byte);
    } else {
        line.extend_from_slice(b"\\x");
        line.extend_from_slice(&hex(byte).map(|digit| digit.to_ascii_uppercase()));
    }
}

fn json_char(line: &mut Vec<u8>, char: char) {
    match char {
        '"' => line.extend_from_slice(b"\\\""),
        '\\' => line.extend_from_slice(b"\\\\"),
        char if is_unseen(char) => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let [high, low] = unit.to_be_bytes();
                line.extend_from_slice(b"\\u");
                line.extend_from_slice(&hex(high));
                line.extend_from_slice(&hex(low));
            }
        }
        _ => line.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(form: LineForm, bytes: &[u8], max: usize) -> String {
        let mut line = b"before ".to_vec();
        quoted(&mut line, form, bytes, max);
        String::from_utf8(line).unwrap().split_off("before ".len())
    }

    #[test]
    fn table() {
        let cases: &[(&[u8], &str, &str)] = &[
            (b"", r#""""#, r#""""#),
            (b"plain /path", r#""plain /path""#, r#""plain /path""#),
            (b"a\"b\\c", r#""a\"b\\c""#, r#""a\x22b\x5Cc""#),
            (b"a\nb\x7f", r#""a\u000ab\u007f""#, r#""a\x0Ab\x7F""#),
            ("gr\u{fc}n".as_bytes(), "\"gr\u{fc}n\"", r#""gr\xC3\xBCn""#),
            (b"\xff\xfe", "\"\u{fffd}\u{fffd}\"", r#""\xFF\xFE""#),
            ("\u{2028}".as_bytes(), r#""\u2028""#, r#""\xE2\x80\xA8""#),
            ("\u{85}\u{9b}31m".as_bytes(), r#""\u0085\u009b31m""#, r#""\xC2\x85\xC2\x9B31m""#),
            ("\u{202e}\u{2066}".as_bytes(), r#""\u202e\u2066""#, r#""\xE2\x80\xAE\xE2\x81\xA6""#),
            ("\u{e0041}".as_bytes(), r#""\udb40\udc41""#, r#""\xF3\xA0\x81\x81""#),
        ];
        for (bytes, json, combined) in cases {
            assert_eq!(written(LineForm::Json, bytes, 100), *json);
            assert_eq!(written(LineForm::Combined, bytes, 100), *combined);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        for (text, max, json, combined) in [
            ("abcd", 4, "abcd", "abcd"),
            ("abcde", 4, "abcd\u{2026}", "abcd..."),
            ("abc", 0, "\u{2026}", "..."),
            // Not within an escape of the line ...
            ("abc\"d", 4, "abc\u{2026}", "abc..."),
            ("a\nb", 6, "a\u{2026}", "a\\x0Ab"),
            // ... nor of the URL ...
            ("ab%20c", 3, "ab\u{2026}", "ab..."),
            ("ab%20c", 4, "ab\u{2026}", "ab..."),
            ("ab%20c", 5, "ab%20\u{2026}", "ab%20..."),
            ("\"b%20c", 4, "\\\"b\u{2026}", "\\x22..."),
            // ... nor within a character.
            ("ab\u{fc}c", 3, "ab\u{2026}", "ab..."),
            ("ab\u{fc}c", 4, "ab\u{fc}\u{2026}", "ab..."),
        ] {
            assert_eq!(
                written(LineForm::Json, text.as_bytes(), max),
                format!("\"{json}\""),
                "{text}"
            );
            let found = written(LineForm::Combined, text.as_bytes(), max);
            assert_eq!(found, format!("\"{combined}\""), "{text}");
        }
    }

    #[test]
    fn characters_that_deceive_are_escaped_in_every_form() {
        let ranges = [
            0..=0x1f,
            0x7f..=0x9f,
            0x61c..=0x61c,
            0x200e..=0x200f,
            0x2028..=0x202e,
            0x2066..=0x2069,
            0xfeff..=0xfeff,
        ];
        for char in ranges.into_iter().flatten().filter_map(char::from_u32) {
            let text = format!("a{char}b");
            let json = written(LineForm::Json, text.as_bytes(), 100);
            assert!(!json.contains(char), "{char:?} in {json}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            assert!(written(LineForm::Combined, text.as_bytes(), 100).is_ascii());
            assert!(!visible(&text).contains(char), "{char:?}");
        }
        assert_eq!(visible("a\n\u{9b}31m\u{202e}"), "a\\n\\u{9b}31m\\u{202e}");
        assert!(matches!(visible("gr\u{fc}n \u{4e2d}\u{6587} \u{1f600}"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_make_valid_json(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            max in 0_usize..400,
        ) {
            let mut line = Vec::new();
            quoted(&mut line, LineForm::Json, &bytes, max);
            prop_assert!(!line.contains(&b'\n'));
            prop_assert!(line.len() <= max + 5, "{} > {max}", line.len());
            let parsed: String = serde_json::from_slice(&line).unwrap();
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            if parsed != whole {
                prop_assert!(line.len() + 6 > max || whole.contains('%'), "cut too early");
                let kept = parsed.strip_suffix('\u{2026}');
                prop_assert!(kept.is_some_and(|kept| whole.starts_with(kept)), "{parsed:?}");
            }
        }

        #[test]
        fn any_bytes_stay_within_quotes(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            max in 0_usize..300,
        ) {
            let mut line = Vec::new();
            quoted(&mut line, LineForm::Combined, &bytes, max);
            prop_assert!(line.len() <= max + 5);
            prop_assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'"').count(), 2);
        }
    }
}
