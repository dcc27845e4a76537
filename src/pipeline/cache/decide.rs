//! Decides about a stored response: it is sent as it is, sent although it is stale, or confirmed by the application
//! first.

use crate::{
    cache::PurgeState,
    rfc::caching::{Freshness, RequestDirectives, ResponsePolicy, StaleReason},
    upstream::Trouble,
};

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Fresh,
    /// The stale response, which a request in the background replaces.
    StaleAndRefresh,
    /// The stale response. The application is busy or unavailable.
    Stale(StaleReason),
    /// The application must confirm it.
    Validate,
}

/// What decides beside the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct UseFacts {
    /// Seconds since 1970.
    pub(super) now: u64,
    /// The longest staleness in seconds of responses that name none.
    pub(super) stale: u64,
    /// The longest staleness in seconds while a response is replaced in the background, of those that name none.
    pub(super) refreshing: u64,
    /// The demands of the client, if they are obeyed.
    pub(super) directives: Option<RequestDirectives>,
    /// Whether another process may have purged the response, because Redis is unavailable.
    pub(super) is_unconfirmed: bool,
}

/// Decides about a stored response. `trouble` is asked only if it is stale.
pub(super) fn decide(
    policy: &ResponsePolicy,
    purged: PurgeState,
    facts: UseFacts,
    trouble: impl FnOnce() -> Option<Trouble>,
) -> Use {
    let UseFacts { now, stale, refreshing, directives, is_unconfirmed } = facts;
    let is_fresh = matches!(policy.freshness(now), Freshness::Fresh { .. });
    if is_unconfirmed && is_fresh && purged == PurgeState::Valid {
        // The lack of Redis must not make a request fail.
        return if trouble().is_some() { Use::Fresh } else { Use::Validate };
    }
    if let Some(directives) = directives
        && purged == PurgeState::Valid
    {
        if policy.satisfies(&directives, now) {
            return Use::Fresh;
        }
        if is_fresh {
            return Use::Validate;
        }
    }
    if purged == PurgeState::Valid && is_fresh {
        return Use::Fresh;
    }
    let why = match trouble() {
        Some(Trouble::Unavailable) => Some(StaleReason::Unavailable),
        Some(Trouble::Busy) => Some(StaleReason::Busy),
        None => None,
    };
    if let Some(why) = why.filter(|why| policy.allows_stale(*why, now, stale)) {
        return Use::Stale(why);
    }
    // What a purge has made stale was fresh until then.
    let limit = if purged == PurgeState::SoftPurged { stale } else { refreshing };
    if policy.allows_stale(StaleReason::Revalidating, now, limit) {
        return Use::StaleAndRefresh;
    }
    Use::Validate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::{
        caching::ExchangeTimes, request_parts::FieldName, response_lines::ResponseLinesBuilder,
    };
    use http::StatusCode;

    /// When the response has arrived, in seconds since 1970.
    const ARRIVED: u64 = 1_000_000;

    fn policy(control: &str) -> ResponsePolicy {
        let mut lines = ResponseLinesBuilder::default();
        lines.push(FieldName::CacheControl, b"cache-control", control.as_bytes());
        let times = ExchangeTimes { sent: ARRIVED, received: ARRIVED };
        ResponsePolicy::of(StatusCode::OK, &lines.build(), times)
    }

    const FACTS: UseFacts = UseFacts {
        now: ARRIVED,
        stale: 100,
        refreshing: 0,
        directives: None,
        is_unconfirmed: false,
    };

    #[test]
    fn fresh_responses_are_sent_whatever_happens() {
        for trouble in [None, Some(Trouble::Busy), Some(Trouble::Unavailable)] {
            let facts = UseFacts { now: ARRIVED + 9, ..FACTS };
            let used = decide(&policy("max-age=10"), PurgeState::Valid, facts, || trouble);
            assert_eq!(used, Use::Fresh);
        }
    }

    #[test]
    fn stale_responses_by_age_and_trouble() {
        use StaleReason::{Busy, Unavailable};
        const AWAY: Option<Trouble> = Some(Trouble::Unavailable);
        for (control, seconds, trouble, expected) in [
            ("max-age=10", 10, None, Use::Validate),
            ("max-age=10, stale-while-revalidate=5", 14, None, Use::StaleAndRefresh),
            ("max-age=10, stale-while-revalidate=5", 15, None, Use::Validate),
            ("max-age=10", 109, AWAY, Use::Stale(Unavailable)),
            ("max-age=10", 109, Some(Trouble::Busy), Use::Stale(Busy)),
            ("max-age=10", 110, AWAY, Use::Validate),
            ("max-age=10, stale-if-error=5", 15, AWAY, Use::Validate),
            ("max-age=10, must-revalidate", 11, AWAY, Use::Validate),
            ("max-age=10, proxy-revalidate", 11, AWAY, Use::Validate),
            ("s-maxage=10", 11, AWAY, Use::Validate),
            ("max-age=10, no-cache", 1, AWAY, Use::Validate),
        ] {
            let facts = UseFacts { now: ARRIVED + seconds, ..FACTS };
            let used = decide(&policy(control), PurgeState::Valid, facts, || trouble);
            assert_eq!(used, expected, "{control} after {seconds} s, {trouble:?}");
        }
    }

    #[test]
    fn route_may_allow_stale_responses_while_they_are_replaced() {
        let facts = UseFacts { now: ARRIVED + 14, refreshing: 5, ..FACTS };
        let used = |control| decide(&policy(control), PurgeState::Valid, facts, || None);
        assert_eq!(used("max-age=10"), Use::StaleAndRefresh);
        assert_eq!(used("max-age=10, must-revalidate"), Use::Validate);
        assert_eq!(used("max-age=9"), Use::Validate);
    }

    #[test]
    fn softly_purged_responses_are_replaced() {
        let used = |control| decide(&policy(control), PurgeState::SoftPurged, FACTS, || None);
        assert_eq!(used("max-age=10"), Use::StaleAndRefresh);
        assert_eq!(used("max-age=10, must-revalidate"), Use::Validate);
    }

    #[test]
    fn responses_that_may_be_purged_elsewhere_are_confirmed() {
        let facts = UseFacts { is_unconfirmed: true, ..FACTS };
        let used =
            |control, trouble| decide(&policy(control), PurgeState::Valid, facts, || trouble);
        assert_eq!(used("max-age=10", None), Use::Validate);
        assert_eq!(used("max-age=10, stale-while-revalidate=9", None), Use::Validate);
        assert_eq!(used("max-age=10, must-revalidate", Some(Trouble::Unavailable)), Use::Fresh);
        assert_eq!(used("max-age=0, stale-while-revalidate=9", None), Use::StaleAndRefresh);
    }

    #[test]
    fn demands_of_the_client_count_if_they_are_obeyed() {
        let demands = |directives| UseFacts { directives: Some(directives), ..FACTS };
        let facts = demands(RequestDirectives { no_cache: true, ..RequestDirectives::default() });
        let used = decide(&policy("max-age=10"), PurgeState::Valid, facts, || None);
        assert_eq!(used, Use::Validate);
        let facts = demands(RequestDirectives::default());
        assert_eq!(decide(&policy("max-age=10"), PurgeState::Valid, facts, || None), Use::Fresh);
    }
}
