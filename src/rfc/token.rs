//! Tokens (RFC 9110, 5.6.2).

/// Whether a byte may be part of a token.
///
/// ```
/// use sideman::rfc::token::is_token_byte;
///
/// assert!(is_token_byte(b'x') && is_token_byte(b'!') && is_token_byte(b'~'));
/// assert!(!is_token_byte(b' ') && !is_token_byte(b':') && !is_token_byte(0x80));
/// ```
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
        )
}

/// The bytes that may be part of a token.
#[expect(clippy::indexing_slicing, reason = "the compiler does it, and sees every index")]
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_token_byte(byte as u8);
        byte += 1;
    }
    table
};

/// Returns the length of the token that a text begins with.
pub fn length(text: &[u8]) -> usize {
    let is_other = |&byte: &u8| !TOKEN.get(usize::from(byte)).is_some_and(|is_token| *is_token);
    text.iter().position(is_other).unwrap_or(text.len())
}

/// Whether this is a token, which has at least one byte.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && length(bytes) == bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_bytes_are_those_of_the_grammar() {
        let listed = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
        for byte in 0..=u8::MAX {
            assert_eq!(is_token_byte(byte), byte.is_ascii_alphanumeric() || listed(byte), "{byte}");
        }
        assert!(is_token(b"a") && !is_token(b"") && !is_token(b"a b"));
    }
}
