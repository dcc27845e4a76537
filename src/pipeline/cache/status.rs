//! What the cache did with a request, for the client (`Cache-Status`, RFC 9211), the log and the metrics.

use std::time::SystemTime;

use http::{HeaderValue, StatusCode};

use super::request::BypassReason;
use crate::{
    cache::StoredResponse,
    pipeline::response::Response,
    rfc::{
        caching::{CacheStatus, ForwardReason, NotStorable, StaleReason},
        date,
    },
    telemetry::{NotStoredLabel, StaleLabel},
};

/// The status of a request that goes to the application for this reason.
pub(super) fn forwarded(reason: ForwardReason) -> CacheStatus {
    CacheStatus { forwarded: Some(reason), ..CacheStatus::default() }
}

/// The request does not see the cache.
pub(super) fn bypassed(reason: BypassReason) -> CacheStatus {
    if reason == BypassReason::Method {
        return forwarded(ForwardReason::Method);
    }
    CacheStatus { detail: Some(reason.name()), ..forwarded(ForwardReason::Bypass) }
}

/// The responses to such requests are not stored.
pub(super) fn passed() -> CacheStatus {
    CacheStatus { detail: Some("not-stored"), ..forwarded(ForwardReason::Bypass) }
}

/// Returns the seconds for which a response is still fresh.
pub(super) fn ttl(stored: &StoredResponse, now: u64) -> Option<i64> {
    i64::try_from(stored.policy.lifetime()).ok()?.checked_sub_unsigned(stored.policy.age(now))
}

/// Adds `Cache-Status` to a response of the application.
pub(super) fn add(response: &mut Response, status: CacheStatus) {
    let head = &mut response.head;
    // A tunnel has no response that could be stored.
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let member = status.member();
    if head.lines.as_bytes().is_empty() {
        if let Ok(member) = HeaderValue::from_bytes(&member) {
            head.headers.append("cache-status", member);
        }
    } else {
        head.lines = head.lines.with_member(b"cache-status", &member);
    }
}

/// Returns the label for a rule by which a response is not stored.
pub(super) fn label(rule: NotStorable) -> NotStoredLabel {
    match rule {
        NotStorable::NoStore => NotStoredLabel::NoStore,
        NotStorable::Private => NotStoredLabel::Private,
        NotStorable::SetCookie => NotStoredLabel::SetCookie,
        NotStorable::Authorization => NotStoredLabel::Authorization,
        NotStorable::VaryAny => NotStoredLabel::Vary,
        NotStorable::NoLifetime => NotStoredLabel::NoLifetime,
        NotStorable::Status => NotStoredLabel::Status,
        NotStorable::Partial => NotStoredLabel::Partial,
        NotStorable::RequestNoStore => NotStoredLabel::RequestNoStore,
    }
}

/// Returns the label for the use of a stale response.
pub(super) fn stale_label(why: StaleReason) -> StaleLabel {
    match why {
        StaleReason::Revalidating => StaleLabel::Revalidating,
        StaleReason::Error => StaleLabel::Error,
        StaleReason::Unavailable => StaleLabel::Unavailable,
        StaleReason::Busy => StaleLabel::Busy,
    }
}

/// Returns the time in seconds since 1970.
pub(super) fn now() -> u64 {
    date::seconds(SystemTime::now())
}
