//! Header fields of a client that the application must not see when its response may go to others: they are in no key,
//! and could change what the application sends. Also those that the cache obeys itself.

use crate::rfc::request_parts::FieldName;

/// Fields with which frameworks let a client replace the method, the path or the host of its request. Fields that begin
/// with `x-forwarded-` never get here.
const OVERRIDES: [&[u8]; 13] = [
    b"x-http-method-override",
    b"x-http-method",
    b"x-method-override",
    b"x-original-url",
    b"x-rewrite-url",
    b"x-original-uri",
    b"x-original-host",
    b"x-host",
    b"x-http-host-override",
    b"x-url-scheme",
    b"x-scheme",
    b"x-script-name",
    b"x-original-method",
];

/// Fields by which the cache itself selects codings, conditions and ranges, from the whole response.
const OF_CACHE: [FieldName; 7] = [
    FieldName::AcceptEncoding,
    FieldName::CacheControl,
    FieldName::IfModifiedSince,
    FieldName::IfNoneMatch,
    FieldName::IfRange,
    FieldName::Pragma,
    FieldName::Range,
];

/// Whether a field of the client is not for the application.
pub(super) fn is_dropped(known: FieldName, name: &[u8]) -> bool {
    OF_CACHE.contains(&known) || (known == FieldName::Other && OVERRIDES.contains(&name))
}
