//! Credentials of the scheme `Basic` (RFC 7617, 2).

use std::fmt;

use data_encoding::BASE64;
use zeroize::Zeroizing;

/// Maximum length of a name and of a password, in bytes. The time of a check grows with the length of the password.
const MAX_LENGTH: usize = 255;
/// The encoded length of the longest name and password, with the colon.
const MAX_ENCODED: usize = (2 * MAX_LENGTH + 1).div_ceil(3) * 4;

/// A user name and a password. The memory of both is cleared on drop.
pub struct Credentials {
    decoded: Zeroizing<Vec<u8>>,
    /// The position of the colon between them.
    colon: usize,
}

/// Reads the value of `Authorization`. `None` if it has another scheme or is malformed.
///
/// ```
/// use sideman::rfc::basic_auth::credentials;
///
/// let found = credentials(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap();
/// assert_eq!((found.name(), found.password()), (&b"Aladdin"[..], &b"open sesame"[..]));
/// // The first colon is the end of the name.
/// let found = credentials(b"basic  YTpiOmM=").unwrap();
/// assert_eq!((found.name(), found.password()), (&b"a"[..], &b"b:c"[..]));
/// assert!(credentials(b"Bearer QWxhZGRpbg==").is_none());
/// ```
pub fn credentials(value: &[u8]) -> Option<Credentials> {
    let (scheme, rest) = value.split_at_checked(b"Basic".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic") || rest.first() != Some(&b' ') {
        return None;
    }
    let encoded = rest.trim_ascii();
    if encoded.len() > MAX_ENCODED {
        return None;
    }
    // The decoder joins several encoded texts.
    let is_one = encoded.iter().skip_while(|&&byte| byte != b'=').all(|&byte| byte == b'=');
    let decoded = Zeroizing::new(BASE64.decode(encoded).ok().filter(|_| is_one)?);
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let is_short = colon <= MAX_LENGTH && decoded.len() - colon - 1 <= MAX_LENGTH;
    // Section 2: neither has control characters.
    if !is_short || decoded.iter().any(u8::is_ascii_control) {
        return None;
    }
    Some(Credentials { decoded, colon })
}

// === impl Credentials ===

impl Credentials {
    pub fn name(&self) -> &[u8] {
        self.decoded.get(..self.colon).unwrap_or_default()
    }

    pub fn password(&self) -> &[u8] {
        self.decoded.get(self.colon + 1..).unwrap_or_default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn read(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        credentials(value).map(|found| (found.name().to_vec(), found.password().to_vec()))
    }

    #[test]
    fn malformed_values_are_no_credentials() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "BasicYTpi",
            "Basic\tYTpi",
            "Basic YTpi YTpi",
            "Basic YTpi,",
            "Basic =",
            "Basic YTp",
            // Unpadded, and padded with bits that mean nothing.
            "Basic YTo",
            "Basic YTp=",
            "Basic YWI=",
            // two texts
            "Basic YTpiOmM=YTpi",
            "Basic YTo\u{e9}",
            // a NUL, a line end
            "Basic YToA",
            "Basic YToK",
            "Digest username=\"a\"",
        ] {
            assert_eq!(read(value.as_bytes()), None, "{value:?}");
        }
        assert_eq!(read(b"BASIC Og=="), Some((vec![], vec![])));
        assert_eq!(read(b"Basic YTpi "), Some((b"a".to_vec(), b"b".to_vec())));
    }

    #[test]
    fn lengths_have_a_limit() {
        let value = |name: usize, password: usize| {
            let text = format!("{}:{}", "a".repeat(name), "b".repeat(password));
            format!("Basic {}", BASE64.encode(text.as_bytes())).into_bytes()
        };
        assert!(credentials(&value(255, 255)).is_some());
        assert!(credentials(&value(256, 1)).is_none());
        assert!(credentials(&value(1, 256)).is_none());
        assert!(credentials(&value(5, 1 << 20)).is_none());
    }

    proptest! {
        #[test]
        fn encoded_credentials_are_read_back(
            name in vec(any::<u8>(), 0..300),
            password in vec(any::<u8>(), 0..300),
        ) {
            let text = [&name[..], b":", &password[..]].concat();
            let value = format!("Basic {}", BASE64.encode(&text));
            let is_valid = !text.iter().any(u8::is_ascii_control)
                && !name.contains(&b':')
                && name.len() <= 255
                && password.len() <= 255;
            if is_valid {
                prop_assert_eq!(read(value.as_bytes()), Some((name, password)));
            } else if let Some((found, rest)) = read(value.as_bytes()) {
                // A colon in the name moves the border between them.
                prop_assert_eq!([&found[..], b":", &rest[..]].concat(), text);
            }
        }

        #[test]
        fn nothing_panics(value in vec(any::<u8>(), 0..64), text in "(?i:basic) {1,2}[A-Za-z0-9+/=]{0,40}") {
            let _ = credentials(&value);
            let _ = credentials(text.as_bytes());
        }
    }
}
