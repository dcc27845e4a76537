//! Checks the signature in the URL of a file: `?signature=TIME:SIGNATURE`, made by
//! `django.core.signing.TimestampSigner` of the decoded path.
//!
//! The signature is HMAC-SHA256 of `PATH:TIME` in base64url without padding, and the time is seconds since 1970 in base
//! 62.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

use crate::{
    error::FailureKind,
    plan::{SignatureKeys, SignedUrls},
    rfc::path,
};

/// The name of the parameter.
const PARAMETER: &str = "signature";
/// Length of HMAC-SHA256 in base64url without padding.
const SIGNATURE_LENGTH: usize = 43;
/// Django writes 6 digits until the year 3769.
const MAX_TIME_LENGTH: usize = 10;
/// The longest value of the parameter: all of its characters may be percent-encoded.
const MAX_VALUE_LENGTH: usize = 3 * (MAX_TIME_LENGTH + 1 + SIGNATURE_LENGTH);

/// Checks the signature of a normal path in the query of its request. Returns how long it is still valid.
pub(super) fn check(
    path: &[u8],
    query: Option<&str>,
    signed: &SignedUrls,
) -> Result<Duration, FailureKind> {
    // A clock before 1970 is a broken one: no signature is valid then.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|_| FailureKind::SignatureInvalid)?.as_secs();
    let value = parameter(query.unwrap_or_default()).ok_or(FailureKind::SignatureInvalid)?;
    let signed_at = verify(path, &value, &signed.keys).ok_or(FailureKind::SignatureInvalid)?;
    let age = Duration::from_secs(now.saturating_sub(signed_at));
    signed.max_age.checked_sub(age).ok_or(FailureKind::SignatureExpired)
}

/// Returns the decoded value of the parameter. It must occur once, so that no two programs read different ones.
fn parameter(query: &str) -> Option<Vec<u8>> {
    let is_signature = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        path::decode(name.as_bytes()).is_some_and(|name| name == PARAMETER.as_bytes())
    };
    let mut pairs = query.split('&').filter(is_signature);
    let (Some(pair), None) = (pairs.next(), pairs.next()) else { return None };
    // The access log hides values by their names as they are written.
    let value = pair.strip_prefix(PARAMETER)?.strip_prefix('=')?;
    if value.len() > MAX_VALUE_LENGTH {
        return None;
    }
    path::decode(value.as_bytes())
}

/// Returns the time when `TIME:SIGNATURE` was made, if one of the keys has signed it with this text.
fn verify(text: &[u8], value: &[u8], keys: &SignatureKeys) -> Option<u64> {
    let colon = value.iter().position(|&byte| byte == b':')?;
    let (time, signature) = value.split_at_checked(colon)?;
    let signature = decode(signature.get(1..)?)?;
    let signed_at = seconds(time)?;
    let text = [text, b":", time].concat();
    // `hmac::verify` compares in constant time.
    let is_valid = keys.0.iter().any(|key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::verify(&key, &text, &signature).is_ok()
    });
    is_valid.then_some(signed_at)
}

/// Reads a time in base 62.
fn seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_TIME_LENGTH {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        sum.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

/// Decodes a signature. Only the one spelling that Django writes is valid.
fn decode(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != SIGNATURE_LENGTH {
        return None;
    }
    BASE64URL_NOPAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use proptest::prelude::*;

    use super::*;

    /// Secret, salt, value, `TIME:SIGNATURE` and time, as `TimestampSigner` of Django 5.2 writes them.
    const VECTORS: &[(&str, &str, &str, &str, u64)] = &[
        (
            "s3cr3t",
            "django.core.signing.TimestampSigner",
            "/media/a.png",
            "1xXvD6:wacY_CEDp73b78MB7Gc1uaR3qyW4-nExGB291k4kCfU",
            1796021400,
        ),
        (
            "s3cr3t",
            "django.core.signing.TimestampSigner",
            "/media/a b+\u{fc}:x.pdf",
            "1dVqWO:ZCHp-b2IQLNdndDsWsXJy_8QGGRTb69S2lVf0yjlMSs",
            1500000000,
        ),
        ("s3cr3t", "media", "", "1xXvD6:Geb_7HY0cdTLUrKuKXRGzbo04o4wq4XaaXahaq8mAF8", 1796021400),
        (
            "dj-insecure-\u{fc}$#%",
            "django.core.signing.TimestampSigner",
            "/media/a b+\u{fc}:x.pdf",
            "1xXvD6:sJyOd9VD1PQAHq38IhA_IC_PiYPEvyQuLbYzqqv8Z5I",
            1796021400,
        ),
        (
            "dj-insecure-\u{fc}$#%",
            "media",
            ":",
            "4gfFCB:hQ3gcI31R6PY1ztEZpRq6hF8RY8196STPSLMGKNV_TE",
            4294967303,
        ),
    ];

    fn keys(secrets: &[&str], salt: &str) -> SignatureKeys {
        let key = |secret: &&str| {
            let text = [salt, "signer", secret].concat();
            digest::digest(&digest::SHA256, text.as_bytes()).as_ref().try_into().unwrap()
        };
        SignatureKeys(secrets.iter().map(key).collect())
    }

    #[test]
    fn signatures_of_django_are_valid_for_their_text_and_key_alone() {
        for (secret, salt, text, value, at) in VECTORS {
            let (text, value) = (text.as_bytes(), value.as_bytes());
            assert_eq!(verify(text, value, &keys(&["new", secret], salt)), Some(*at));
            let own = keys(&[secret], salt);
            assert_eq!(verify(b"/other", value, &own), None);
            assert_eq!(verify(text, value, &keys(&["other"], salt)), None);
            assert_eq!(verify(text, value, &keys(&[secret], "other")), None);
            assert_eq!(verify(text, value, &SignatureKeys::default()), None);
            for index in 0..value.len() {
                let mut wrong = value.to_vec();
                wrong[index] = if wrong[index] == b'A' { b'B' } else { b'A' };
                assert_eq!(verify(text, &wrong, &own), None, "{index}");
                assert_eq!(verify(text, &value[..index], &own), None);
            }
            assert_eq!(verify(text, &[value, b"="].concat(), &own), None);
        }
    }

    #[test]
    fn signature_is_valid_until_its_maximum_age() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        // This one is of 2017.
        let (secret, salt, path, value, at) = VECTORS[1];
        let with_age = |max_age| SignedUrls {
            max_age: Duration::from_secs(max_age),
            keys: keys(&[secret], salt),
            ..SignedUrls::default()
        };
        let query = format!("a=b&signature={value}");
        let check = |max_age| check(path.as_bytes(), Some(&query), &with_age(max_age));
        let age = now - at;
        let left = check(age + 100).unwrap();
        assert!(left <= Duration::from_secs(100) && left >= Duration::from_secs(90), "{left:?}");
        assert_eq!(check(age - 1), Err(FailureKind::SignatureExpired));
    }

    #[test]
    fn parameters() {
        for (query, expected) in [
            ("signature=a:b", Some("a:b")),
            ("a=b&signature=a%3Ab&c", Some("a:b")),
            ("signature=", Some("")),
            ("signature", None),
            ("signature=a&signature=b", None),
            ("signature=a&signature=a", None),
            ("signature=a&signature", None),
            ("signature=a&%73ignature=b", None),
            ("%73ignature=a", None),
            ("signature=a&%zz=b&x", Some("a")),
            ("Signature=a", None),
            ("xsignature=a", None),
            ("signature=%zz", None),
            ("", None),
        ] {
            assert_eq!(parameter(query).as_deref(), expected.map(str::as_bytes), "{query}");
        }
        assert_eq!(parameter(&format!("signature={}", "a".repeat(MAX_VALUE_LENGTH + 1))), None);
    }

    proptest! {
        #[test]
        fn no_other_value_is_valid(value in "[0-9A-Za-z:_%&=-]{0,70}", long in "[0-9A-Za-z]{0,12}:[A-Za-z0-9_-]{43}") {
            let own = keys(&["0123456789abcdef"], "a");
            prop_assert_eq!(verify(b"/media/a", value.as_bytes(), &own), None);
            prop_assert_eq!(verify(b"/media/a", long.as_bytes(), &own), None);
            let _ = parameter(&value);
        }
    }
}
