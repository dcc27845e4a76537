//! Encoded words of MIME (RFC 2047). HTTP has none, but Django encodes a field value in this way if it is not Latin-1,
//! such as the path of a file in `X-Sendfile`.

/// Whether a value begins with an encoded word.
pub fn is_encoded(value: &[u8]) -> bool {
    value.starts_with(b"=?")
}

/// Decodes a value that consists of encoded words, into UTF-8. White space between two of them is not part of the value
/// (section 6.2). `None` if it is malformed, or in a charset other than UTF-8, Latin-1 and ASCII.
///
/// ```
/// use sideman::rfc::encoded_word::decode;
/// assert_eq!(decode(b"=?utf-8?b?L8W8LnR4dA==?=").as_deref(), Some("/\u{17c}.txt".as_bytes()));
/// assert_eq!(decode(b"=?utf-8?q?/a_=C5=BC.txt?=").as_deref(), Some("/a \u{17c}.txt".as_bytes()));
/// assert_eq!(decode(b"/plain.txt"), None);
/// ```
pub fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let (mut decoded, mut rest) = (Vec::with_capacity(value.len()), value);
    loop {
        rest = rest.strip_prefix(b"=?")?;
        let (charset, tail) = until(rest, b"?")?;
        let (encoding, tail) = until(tail, b"?")?;
        let (text, tail) = until(tail, b"?=")?;
        let bytes = match encoding {
            b"b" | b"B" => base64(text)?,
            b"q" | b"Q" => quoted(text)?,
            _ => return None,
        };
        // A language may follow (RFC 2231, section 5).
        let charset = charset.split(|&byte| byte == b'*').next().unwrap_or_default();
        decoded.extend_from_slice(&to_utf8(charset, bytes)?);
        rest = tail.trim_ascii_start();
        if rest.is_empty() {
            return Some(decoded);
        }
    }
}

fn until<'a>(text: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, end)?;
    Some((text.get(..at)?, text.get(at + end.len()..)?))
}

fn to_utf8(charset: &[u8], bytes: Vec<u8>) -> Option<Vec<u8>> {
    if charset.eq_ignore_ascii_case(b"iso-8859-1") || charset.eq_ignore_ascii_case(b"latin-1") {
        return Some(latin1_to_utf8(&bytes));
    }
    let is_utf8 = charset.eq_ignore_ascii_case(b"utf-8") || charset.eq_ignore_ascii_case(b"utf8");
    let is_ascii = charset.eq_ignore_ascii_case(b"us-ascii") && bytes.is_ascii();
    // A word may end within a character, and the next one continue it, so the bytes are not checked here.
    (is_utf8 || is_ascii).then_some(bytes)
}

/// Converts Latin-1 to UTF-8.
pub fn latin1_to_utf8(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into_bytes()
}

/// Decodes Base64 (RFC 4648, section 4); padding may be missing.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut decoded = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for &digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        let [_, bytes @ ..] = bits.to_be_bytes();
        decoded.extend_from_slice(bytes.get(..group.len() - 1)?);
    }
    Some(decoded)
}

/// Decodes the encoding "Q" (RFC 2047, section 4.2).
fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'_' => b' ',
            b'=' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            plain => plain,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_in_both_encodings_are_decoded() {
        for (value, expected) in [
            // As Python's email.header.Header writes them.
            ("=?utf-8?b?L3Byb3RlY3RlZC/FvMOzxYJ3LnR4dA==?=", "/protected/żółw.txt"),
            ("=?utf-8?q?/protected/=C5=BC_a=3D=3F=5F=2Etxt?=", "/protected/ż a=?_.txt"),
            ("=?UTF-8?B?L8W8?=", "/ż"),
            ("=?UTF-8?Q?/=c5=bc?=", "/ż"),
            ("=?utf-8?b?L8W8?= =?utf-8?b?LnR4dA==?=", "/ż.txt"),
            ("=?utf-8?b?L8U=?=  =?utf-8?b?vA==?=", "/ż"),
            ("=?utf-8?b?L8U?= =?utf-8?b?vA?=", "/ż"),
            ("=?iso-8859-1?q?/=FC.txt?=", "/ü.txt"),
            ("=?us-ascii?q?/a.txt?=", "/a.txt"),
            ("=?utf-8*pl?q?/=C5=BC?=", "/ż"),
            ("=?utf-8?b??=", ""),
        ] {
            let decoded = decode(value.as_bytes());
            assert_eq!(decoded.as_deref(), Some(expected.as_bytes()), "{value}");
        }
    }

    #[test]
    fn what_is_no_encoded_word_is_none() {
        for value in [
            "",
            "/a.txt",
            "=?",
            "=?utf-8",
            "=?utf-8?b",
            "=?utf-8?b?L8W8",
            "=?utf-8?b?L8W8?",
            "=?utf-8?b?L?=",
            "=?utf-8?b?L8W8!?=",
            "=?utf-8?b?L===?=",
            "=?utf-8?x?abc?=",
            "=?utf-8?q?=C?=",
            "=?utf-8?q?=zz?=",
            "=?utf-8?q?=+1?=",
            "=?windows-1250?q?=BF?=",
            "=?us-ascii?q?=BF?=",
            "=?utf-8?b?L8W8?=.txt",
            "/a=?utf-8?b?L8W8?=",
        ] {
            assert_eq!(decode(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "(=\\?(utf-8)?\\??[bq]?\\??[A-Za-z0-9+/=_?]{0,9}(\\?=)? ?){0,3}") {
            decode(value.as_bytes());
        }

        #[test]
        fn every_text_comes_back_from_q(text in "\\PC{0,20}") {
            let encoded: String =
                text.bytes().map(|byte| format!("={byte:02X}")).collect();
            let value = format!("=?utf-8?q?{encoded}?=");
            prop_assert_eq!(decode(value.as_bytes()), Some(text.into_bytes()));
        }
    }
}
