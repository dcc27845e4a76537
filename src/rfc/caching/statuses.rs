//! What a status says about caching (RFC 9110, 15.1; RFC 9111, 3).

use http::StatusCode;

/// Whether a response with this status is never stored: an interim one, one to a condition, a range or an expectation
/// of a single request, or one of those that RFC 6585 forbids to store.
pub(super) fn never_stored(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status.as_u16(),
            304 | 407 | 408 | 412 | 413 | 416 | 417 | 421 | 425 | 426 | 428 | 429 | 431 | 511
        )
}

/// Whether the meaning of a status for caches is known.
pub(super) fn is_understood(status: StatusCode) -> bool {
    status.canonical_reason().is_some()
}

/// Whether a status is cacheable without an explicit lifetime (RFC 9110, 15.1). 206 is not stored.
pub(super) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}
