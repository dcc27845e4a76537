//! The target and header fields of a request to a bucket or file server: range and conditions of the client, nothing else of it, and the
//! signature.

use http::Method;

use crate::{
    aws::{self, EMPTY_BODY, RoleKeys, SignedRequest},
    plan::{BucketProtocol, BucketSettings},
    rfc::{
        request_parts::{FieldName, Headers},
        timestamp,
    },
};

/// Conditions that S3 evaluates. `If-Range` is not among them: [`range`] says why.
const CONDITIONS: [FieldName; 4] = [
    FieldName::IfMatch,
    FieldName::IfNoneMatch,
    FieldName::IfModifiedSince,
    FieldName::IfUnmodifiedSince,
];

/// The fields of a request, each with its value.
pub(super) type Fields = Vec<(&'static str, Vec<u8>)>;

/// Returns the range for the bucket. S3 has one range in a request, and does not document `If-Range`: whether its part
/// is of the right version is decided when it comes.
pub(super) fn range<'a>(method: &Method, headers: &'a Headers) -> Option<&'a [u8]> {
    let mut ranges = headers.get_all(FieldName::Range);
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return None };
    let is_single = value.starts_with(b"bytes=") && !value.contains(&b',');
    (method == Method::GET && is_single).then_some(value)
}

/// Returns the path of an object, encoded once, with the query for a file server.
pub(super) fn target(settings: &BucketSettings, key: &str, query: Option<&str>) -> String {
    let mut target = format!("{}/", settings.base);
    aws::encode_key(key.as_bytes(), &mut target);
    if let Some(query) = query.filter(|_| settings.protocol == BucketProtocol::Http) {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// Whether a request has a condition that the server evaluates.
pub(super) fn has_condition(headers: &Headers) -> bool {
    CONDITIONS.into_iter().any(|name| headers.get_all(name).next().is_some())
}

/// Returns the fields of a request, signed with `keys` if it is for S3 and there are any. `now` is in seconds since 1970.
pub(super) fn fields(
    settings: &BucketSettings,
    (method, path): (&Method, &str),
    (headers, range): (&Headers, Option<&[u8]>),
    (keys, now): (Option<&RoleKeys>, u64),
) -> Fields {
    let mut fields: Fields = vec![("host", settings.host.clone().into_bytes())];
    for name in CONDITIONS {
        fields.extend(headers.get_all(name).map(|value| (name.text(), value.to_vec())));
    }
    fields.extend(range.map(|range| ("range", range.to_vec())));
    let (BucketProtocol::S3 { region }, Some(RoleKeys { keys, .. })) = (&settings.protocol, keys)
    else {
        return fields;
    };
    let date = timestamp::format_basic(now);
    let mut signed = vec![
        ("host", settings.host.as_str()),
        ("x-amz-content-sha256", EMPTY_BODY),
        ("x-amz-date", &date),
    ];
    if let Some(token) = &keys.session_token {
        signed.push(("x-amz-security-token", token));
    }
    let method = method.as_str();
    let (region, date) = (region.as_str(), date.as_str());
    let request = SignedRequest { method, path, fields: &signed, region, date };
    let authorization = aws::authorization(&request, keys);
    let own = signed.iter().skip(1).map(|(name, value)| (*name, value.as_bytes().to_vec()));
    fields.extend(own);
    fields.push(("authorization", authorization.into_bytes()));
    fields
}
