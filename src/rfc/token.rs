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

/// Whether this is a token: it has a byte at least.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
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
