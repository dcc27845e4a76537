//! Signs requests for S3 with AWS Signature Version 4: GET and HEAD without a body and without a query.
//!
//! The steps are those of "Signature Calculations for the Authorization Header" in the Amazon S3 API reference. The
//! path is encoded once: S3 differs from all other services there.

use std::fmt;

use aws_lc_rs::{digest, hmac};

use crate::plan::AwsKeys;

#[cfg(test)]
mod tests;

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

/// The scope of a signature: its day, region and service.
#[derive(Clone, Copy)]
struct SignatureScope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

/// Returns the value of `Authorization`.
pub fn authorization(request: &SignedRequest<'_>, keys: &AwsKeys) -> String {
    let scope = SignatureScope { date: request.date, region: request.region, service: "s3" };
    let names = request.fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = canonical_request(request, &names, ("", EMPTY_BODY));
    let signature = scope.sign(&scope.string_to_sign(&canonical), keys);
    let (id, scope) = (&keys.access_key_id, scope.text());
    format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

/// Returns the canonical request. `names` are those of the fields. Query and hash of the body are arguments for the
/// published examples.
fn canonical_request(
    request: &SignedRequest<'_>,
    names: &str,
    (query, body): (&str, &str),
) -> String {
    let SignedRequest { method, path, fields, .. } = request;
    let mut canonical = format!("{method}\n{path}\n{query}\n");
    for (name, value) in *fields {
        canonical.extend([name, ":", value, "\n"]);
    }
    canonical.extend(["\n", names, "\n", body]);
    canonical
}

// === impl SignatureScope ===

impl SignatureScope<'_> {
    fn day(&self) -> &str {
        self.date.get(..8).unwrap_or_default()
    }

    fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    fn string_to_sign(&self, canonical: &str) -> String {
        let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.date, self.text())
    }

    /// Returns the signature, in hexadecimal digits.
    fn sign(&self, text: &str, keys: &AwsKeys) -> String {
        let first = format!("AWS4{}", keys.secret_access_key);
        let mut key = mac(first.as_bytes(), self.day());
        for part in [self.region, self.service, "aws4_request"] {
            key = mac(key.as_ref(), part);
        }
        hex(mac(key.as_ref(), text).as_ref())
    }
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
