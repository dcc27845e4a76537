//! Text from the network, made safe for a log line.

/// Appends a JSON string with its quotes (RFC 8259, 7). Bytes that are no UTF-8 become U+FFFD, so
/// that every line is valid JSON whatever a client sends.
pub fn json_string(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    // Without an early end the compiler looks at many bytes at a time.
    if bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
        line.extend_from_slice(bytes);
    } else {
        for chunk in bytes.utf8_chunks() {
            json_chars(line, chunk.valid());
            if !chunk.invalid().is_empty() {
                line.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    line.push(b'"');
}

/// Appends text between the quotes of a `combined` line, the way nginx and Apache escape it.
pub fn combined_string(line: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if is_plain(byte) {
            line.push(byte);
        } else {
            line.extend_from_slice(b"\\x");
            line.extend_from_slice(&hex(byte).map(|digit| digit.to_ascii_uppercase()));
        }
    }
}

/// Printable ASCII that needs no escape in either form.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

fn json_chars(line: &mut Vec<u8>, text: &str) {
    for char in text.chars() {
        match char {
            '"' => line.extend_from_slice(b"\\\""),
            '\\' => line.extend_from_slice(b"\\\\"),
            '\0'..='\x1f' | '\x7f' => {
                line.extend_from_slice(b"\\u00");
                line.extend_from_slice(&hex(char as u8));
            }
            // Line separators of Unicode: legal in JSON, yet some readers split lines at them.
            '\u{2028}' => line.extend_from_slice(b"\\u2028"),
            '\u{2029}' => line.extend_from_slice(b"\\u2029"),
            _ => line.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
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

    #[test]
    fn table() {
        let cases: &[(&[u8], &str)] = &[
            (b"", r#""""#),
            (b"plain /path", r#""plain /path""#),
            (b"a\"b\\c", r#""a\"b\\c""#),
            (b"a\nb\x7f", r#""a\u000ab\u007f""#),
            ("gr\u{fc}n".as_bytes(), "\"gr\u{fc}n\""),
            (b"\xff\xfe", "\"\u{fffd}\u{fffd}\""),
        ];
        for (bytes, expected) in cases {
            let mut line = Vec::new();
            json_string(&mut line, bytes);
            assert_eq!(String::from_utf8(line).unwrap(), *expected);
        }
        let mut line = Vec::new();
        combined_string(&mut line, b"a\"b\xff c");
        assert_eq!(line, b"a\\x22b\\xFF c");
    }

    proptest! {
        #[test]
        fn any_bytes_make_valid_json(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut line = Vec::new();
            json_string(&mut line, &bytes);
            let parsed: String = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(parsed, String::from_utf8_lossy(&bytes).into_owned());
            prop_assert!(!line.contains(&b'\n'));
        }
    }
}
