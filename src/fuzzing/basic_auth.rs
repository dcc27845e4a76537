//! `Authorization: Basic`: the value of the field, compared with a decoder that follows the grammar letter by letter.

use data_encoding::BASE64;

use crate::rfc::basic_auth::credentials;

/// Tests one value.
pub fn check(data: &[u8]) {
    let found = credentials(data);
    let expected = plain(data);
    let Some(found) = found else {
        assert!(expected.is_none(), "refused: {:?}", data.escape_ascii().to_string());
        return;
    };
    let (name, password) = expected.expect("no credentials");
    assert_eq!((found.name(), found.password()), (&name[..], &password[..]));
    assert_eq!(format!("{found:?}"), "Credentials", "a password is shown");

    let text = [&name[..], b":", &password[..]].concat();
    let again = format!("bAsIC   {}  ", BASE64.encode(&text));
    let again = credentials(again.as_bytes()).expect("the same credentials");
    assert_eq!((again.name(), again.password()), (&name[..], &password[..]));
}

/// Returns the name and the password.
fn plain(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let scheme = value.get(..6)?.to_ascii_lowercase();
    if scheme != b"basic " {
        return None;
    }
    let text = decoded(value[6..].trim_ascii())?;
    let mut parts = text.splitn(2, |&byte| byte == b':').map(<[u8]>::to_vec);
    let (name, password) = (parts.next()?, parts.next()?);
    let is_plain =
        |part: &[u8]| part.len() <= 255 && !part.iter().any(|&byte| byte < 32 || byte == 127);
    (is_plain(&name) && is_plain(&password)).then_some((name, password))
}

/// Decodes base64 (RFC 4648, 4) with its padding, and without bits that mean nothing.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().take_while(|&byte| byte != b'=').collect();
    let padding = &text[digits.len()..];
    if !text.len().is_multiple_of(4)
        || padding.len() > 2
        || padding.iter().any(|&byte| byte != b'=')
    {
        return None;
    }
    let mut bits = Vec::new();
    for digit in &digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits.extend((0..6).rev().map(|place| value >> place & 1));
    }
    let (whole, rest) = bits.split_at(bits.len() / 8 * 8);
    let is_padded = rest.len() == 2 * padding.len() && rest.iter().all(|&bit| bit == 0);
    is_padded.then(|| {
        let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | bit);
        whole.chunks(8).map(byte).collect()
    })
}
