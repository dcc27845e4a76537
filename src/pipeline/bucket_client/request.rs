//! The target and header fields of a request to a bucket or file server: range and conditions of the client, nothing
//! else of it, and the signature.

use http::Method;

use crate::{
    aws::{self, EMPTY_BODY, RoleKeys, SignedRequest},
    plan::{BucketProtocol, BucketSettings, ClientNetwork},
    rfc::{
        date,
        request_parts::{FieldName, Headers},
        timestamp,
    },
};

/// A request for an object.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct ObjectRequest<'a> {
    /// GET or HEAD.
    pub(in crate::pipeline) method: &'a Method,
    /// Those of the client, for its range and conditions.
    pub(in crate::pipeline) headers: &'a Headers,
    pub(in crate::pipeline) key: &'a str,
    /// Path and query for a file server, relative to its base.
    pub(in crate::pipeline) url: Option<&'a str>,
    /// Whose request it is.
    pub(in crate::pipeline) client: Option<ClientNetwork>,
    /// The name of this process, by which it recognises its own requests.
    pub(in crate::pipeline) loop_name: &'a [u8],
}

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

/// Returns the path of an object, encoded once, or that of a file server with its query.
pub(super) fn target(settings: &BucketSettings, key: &str, url: Option<&str>) -> String {
    let mut target = format!("{}/", settings.base);
    match url.filter(|_| settings.protocol == BucketProtocol::Http) {
        Some(url) => target.push_str(url),
        None => aws::encode_key(key.as_bytes(), &mut target),
    }
    target
}

/// Whether a condition is one: an invalid date is none (RFC 9110, 13.1.3 and 13.1.4), and not every server knows that.
fn is_valid(name: FieldName, value: &[u8]) -> bool {
    let is_date = matches!(name, FieldName::IfModifiedSince | FieldName::IfUnmodifiedSince);
    let text = || std::str::from_utf8(value).ok();
    !is_date || text().and_then(date::parse).is_some()
}

/// Whether a request has a condition that the server evaluates.
pub(super) fn has_condition(headers: &Headers) -> bool {
    CONDITIONS.into_iter().any(|name| headers.get_all(name).any(|value| is_valid(name, value)))
}

/// Returns the fields of a request, signed with `keys` if it is for S3 and there are any. `now` is in seconds since
/// 1970.
pub(super) fn fields(
    settings: &BucketSettings,
    (method, path): (&Method, &str),
    (wanted, range): (ObjectRequest<'_>, Option<&[u8]>),
    (keys, now): (Option<&RoleKeys>, u64),
) -> Fields {
    let headers = wanted.headers;
    let mut fields: Fields = vec![("host", settings.host.clone().into_bytes())];
    for name in CONDITIONS {
        let values = headers.get_all(name).filter(|value| is_valid(name, value));
        fields.extend(values.map(|value| (name.text(), value.to_vec())));
    }
    fields.extend(range.map(|range| ("range", range.to_vec())));
    let BucketProtocol::S3 { region } = &settings.protocol else {
        // Its address may lead back here.
        let passed = headers.get_all(FieldName::CdnLoop).chain([wanted.loop_name]);
        fields.extend(passed.map(|name| ("cdn-loop", name.to_vec())));
        return fields;
    };
    let Some(RoleKeys { keys, .. }) = keys else { return fields };
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
