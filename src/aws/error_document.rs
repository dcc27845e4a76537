//! The body of an error response of S3: an XML document whose `Code` says what happened.

/// The longest text that is read. The codes of S3 have at most 50 letters.
const MAX_CODE: usize = 64;

/// Returns the text of the first element `Code`, if it is one word of letters and digits.
pub fn error_code(document: &[u8]) -> Option<&str> {
    element(document, b"<Code>", b"")
}

/// Returns the text of the first element `Region`: the one that the bucket is in.
pub fn error_region(document: &[u8]) -> Option<&str> {
    element(document, b"<Region>", b"-")
}

/// Returns the text of the first element with this tag, if it has letters and digits only, and `others`.
fn element<'a>(document: &'a [u8], tag: &[u8], others: &[u8]) -> Option<&'a str> {
    let begin = memchr::memmem::find(document, tag)? + tag.len();
    let rest = document.get(begin..)?;
    let text = rest.get(..memchr::memchr(b'<', rest)?)?.trim_ascii();
    let is_word = text.iter().all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte));
    let is_code = is_word && (1..=MAX_CODE).contains(&text.len());
    std::str::from_utf8(text).ok().filter(|_| is_code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes() {
        let long = format!("<Code>{}</Code>", "a".repeat(65));
        for (document, expected) in [
            (
                "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>a</Message></Error>",
                Some("NoSuchKey"),
            ),
            ("<Error>\n<Code> SlowDown\n</Code>", Some("SlowDown")),
            ("<Code>A</Code><Code>B</Code>", Some("A")),
            ("<Code></Code>", None),
            ("<Code>a b</Code>", None),
            ("<Code>a&#10;b</Code>", None),
            ("<Code>NoSuch", None),
            ("<html>", None),
            (&long, None),
            ("", None),
        ] {
            assert_eq!(error_code(document.as_bytes()), expected, "{document}");
        }
        let document = b"<Error><Code>A</Code><Region>eu-central-1</Region></Error>";
        assert_eq!(error_region(document), Some("eu-central-1"));
        assert_eq!(error_region(b"<Region>a b</Region>"), None);
    }

    proptest! {
        #[test]
        fn a_code_is_a_word_that_fits_a_log_line(
            before in any::<Vec<u8>>(),
            code in "[A-Za-z0-9 <>&/]{0,70}",
            after in any::<Vec<u8>>(),
        ) {
            let document = [&before, b"<Code>".as_slice(), code.as_bytes(), &after].concat();
            for document in [&document, &before, &after] {
                if let Some(code) = error_code(document) {
                    prop_assert!((1..=MAX_CODE).contains(&code.len()));
                    prop_assert!(code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
                }
            }
        }
    }
}
