//! Signs requests for S3 with AWS Signature Version 4: GET and HEAD without a body and without a query.
//!
//! The steps are those of "Signature Calculations for the Authorization Header" in the Amazon S3 API reference. The
//! path is encoded once: S3 differs from all other services there.

use std::fmt;

use aws_lc_rs::{digest, hmac};

use crate::plan::AwsKeys;

/// SHA-256 of no bytes: these requests have no body.
pub const EMPTY_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The signed parts of a request.
pub struct SignedRequest<'a> {
    pub method: &'a str,
    /// Encoded by [`encode_key`]; begins with `/`.
    pub path: &'a str,
    /// Names in lower case and sorted, values without spaces around them. `host`, `x-amz-content-sha256` and
    /// `x-amz-date` are required.
    pub fields: &'a [(&'a str, &'a str)],
    pub region: &'a str,
    /// `YYYYMMDDTHHMMSSZ`, the same as `x-amz-date`.
    pub date: &'a str,
}

impl fmt::Debug for SignedRequest<'_> {
    /// Leaves the fields out, which have the session token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Returns the value of `Authorization`.
pub fn authorization(request: &SignedRequest<'_>, keys: &AwsKeys) -> String {
    let SignedRequest { method, path, fields, region, date } = request;
    let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{method}\n{path}\n\n");
    for (name, value) in *fields {
        canonical.extend([name, ":", value, "\n"]);
    }
    canonical.extend(["\n", &names, "\n", EMPTY_BODY]);
    let day = date.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/s3/aws4_request");
    let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(digest.as_ref()));
    let first = format!("AWS4{}", keys.secret_access_key);
    let mut key = mac(first.as_bytes(), day);
    for part in [region, "s3", "aws4_request"] {
        key = mac(key.as_ref(), part);
    }
    let signature = hex(mac(key.as_ref(), &text).as_ref());
    let id = &keys.access_key_id;
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

/// Appends the key of an object to a path, encoded once. Only unreserved characters and `/` stay as they are.
pub fn encode_key(key: &[u8], path: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('0', |&byte| char::from(byte));
    for &byte in key {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AwsKeys {
        AwsKeys {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        }
    }

    /// The example "GET Object" of the Amazon S3 API reference.
    #[test]
    fn published_example_has_the_published_signature() {
        let request = SignedRequest {
            method: "GET",
            path: "/test.txt",
            fields: &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("range", "bytes=0-9"),
                ("x-amz-content-sha256", EMPTY_BODY),
                ("x-amz-date", "20130524T000000Z"),
            ],
            region: "us-east-1",
            date: "20130524T000000Z",
        };
        assert_eq!(
            authorization(&request, &keys()),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn keys_are_encoded_once() {
        for (key, expected) in [
            ("a b+c.txt", "/a%20b%2Bc.txt"),
            ("%41", "/%2541"),
            ("a//b", "/a//b"),
            ("\u{fc}?#*~", "/%C3%BC%3F%23%2A~"),
        ] {
            let mut path = "/".to_owned();
            encode_key(key.as_bytes(), &mut path);
            assert_eq!(path, expected);
        }
    }
}
