//! What a response says about its own reuse: how long it is fresh, and when it may be used although it is stale (RFC
//! 9111, 4.2).

use http::StatusCode;

use super::{
    super::{
        date,
        request_parts::FieldName,
        response_lines::{ResponseLines, ResponseLinesBuilder},
    },
    directives::{MAX_SECONDS, RequestDirectives, ResponseDirectives, Restriction, delta_seconds},
    statuses::is_heuristically_cacheable,
    targeted::{AccelExpires, accel_expires, is_hidden_control, targeted},
    vary_names::VaryNames,
};

/// When a request was sent and the head of its response arrived, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExchangeTimes {
    pub sent: u64,
    pub received: u64,
}

/// Whether a stored response can be used without asking the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// With the seconds that are left.
    Fresh { left: u64 },
    /// With the seconds since its lifetime ended. A fresh response with `no-cache` is stale since 0 seconds.
    Stale { since: u64 },
}

/// Why a stale response would be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleReason {
    /// It is being revalidated in the background (RFC 5861, 3).
    Revalidating,
    /// The application has answered with an error (RFC 5861, 4).
    Error,
    /// No connection to the application can be opened.
    Unavailable,
    /// Requests wait too long for the application.
    Busy,
}

/// The policy of a response, from its fields. It is made when the response arrives, and kept with it.
#[derive(Clone, Debug)]
pub struct ResponsePolicy {
    pub(super) status: StatusCode,
    pub(super) directives: ResponseDirectives,
    /// The explicit freshness lifetime.
    pub(super) lifetime: Option<u64>,
    pub(super) has_set_cookie: bool,
    pub(super) vary: VaryNames,
    /// The age on arrival.
    initial_age: u64,
    received: u64,
    etag: Option<Box<str>>,
    last_modified: Option<Box<str>>,
    /// The fields that decided something and are not stored. A 304 may omit them (RFC 9111, 3.2).
    hidden: Option<Box<ResponseLines>>,
}

// === impl ResponsePolicy ===

impl ResponsePolicy {
    /// Reads the fields of a response, with those that a client never sees.
    ///
    /// The first of these decides: `Sideman-Cache-Control`, `CDN-Cache-Control` (RFC 9213), `X-Accel-Expires`, and then
    /// `Cache-Control` with `Expires`. Without an explicit lifetime there is none: `Last-Modified` is no reason to
    /// store a response of an application that has never said so (RFC 9111, 4.2.2 allows that and demands nothing).
    pub fn of(status: StatusCode, fields: &ResponseLines, times: ExchangeTimes) -> Self {
        let date = fields.get_str(b"date").and_then(date::parse_leniently);
        let initial_age = initial_age(fields, date, times);
        let (directives, lifetime) = control(fields, date, initial_age, times.received);
        let hidden = fields.filtered(is_hidden_control);
        Self {
            status,
            directives,
            lifetime,
            has_set_cookie: fields.get_all(b"set-cookie").next().is_some(),
            vary: VaryNames::of(fields),
            initial_age,
            received: times.received,
            etag: fields.get_str(b"etag").filter(|tag| is_entity_tag(tag)).map(Into::into),
            last_modified: fields
                .get_str(b"last-modified")
                .filter(|date| date::parse_leniently(date).is_some())
                .map(Into::into),
            hidden: (!hidden.as_bytes().is_empty()).then(|| Box::new(hidden)),
        }
    }

    /// Returns the policy after a 304, for the fields that [`updated`](super::updated) returned.
    ///
    /// A 304 may forbid what the stored response allowed, or vary by other fields than those that the stored variant
    /// was selected by. Each use must then be validated.
    #[must_use]
    pub fn revalidated(&self, updated: &ResponseLines, times: ExchangeTimes) -> Self {
        let mut policy = self.with_updated(updated, times);
        if policy.vary != self.vary {
            policy.vary = VaryNames::any();
        }
        policy
    }

    fn with_updated(&self, updated: &ResponseLines, times: ExchangeTimes) -> Self {
        let Some(hidden) = &self.hidden else { return Self::of(self.status, updated, times) };
        let mut all =
            ResponseLinesBuilder::with_capacity(updated.as_bytes().len() + hidden.as_bytes().len());
        let kept = hidden.iter().filter(|(name, _)| updated.get_all(name).next().is_none());
        for (name, value) in updated.iter().chain(kept) {
            all.push(FieldName::of(name), name, value);
        }
        Self::of(self.status, &all.build(), times)
    }

    /// Uses this lifetime in seconds if the response names none. It never applies to a response that says `private`,
    /// `no-store` or `no-cache`, nor to a status that is not cacheable by default (RFC 9110, 15.1) without `public`.
    #[must_use]
    pub fn with_default_lifetime(mut self, seconds: u64) -> Self {
        let forbids = self.directives.no_store
            || self.directives.private == Restriction::All
            || self.directives.no_cache == Restriction::All;
        let allows = self.directives.public || is_heuristically_cacheable(self.status);
        if self.lifetime.is_none() && !forbids && allows {
            self.lifetime = Some(seconds.saturating_add(self.initial_age));
        }
        self
    }

    /// Returns when the response has arrived, in seconds since 1970.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns the age in seconds (RFC 9111, 4.2.3).
    pub fn age(&self, now: u64) -> u64 {
        self.initial_age.saturating_add(now.saturating_sub(self.received)).min(MAX_SECONDS)
    }

    /// Returns the freshness lifetime in seconds; 0 without one.
    pub fn lifetime(&self) -> u64 {
        self.lifetime.unwrap_or(0)
    }

    pub fn freshness(&self, now: u64) -> Freshness {
        let (age, lifetime) = (self.age(now), self.lifetime());
        if lifetime > age && !self.demands_validation() {
            Freshness::Fresh { left: lifetime - age }
        } else {
            Freshness::Stale { since: age.saturating_sub(lifetime) }
        }
    }

    /// Whether a stale response may be used for this reason. `limit` is the longest staleness in seconds for responses
    /// that name none themselves and were fresh on arrival.
    ///
    /// Never after `no-cache`, `must-revalidate`, `proxy-revalidate` or `s-maxage` (RFC 9111, 4.2.4). A response that
    /// allows `stale-while-revalidate` allows the same while an error lasts.
    pub fn allows_stale(&self, why: StaleReason, now: u64, limit: u64) -> bool {
        if self.forbids_stale() {
            return false;
        }
        let Freshness::Stale { since } = self.freshness(now) else { return true };
        // An application that sends what is stale already, as with `max-age=0`, does not mean it to be used.
        let limit = (self.lifetime() > self.initial_age).then_some(limit);
        let revalidating = self.directives.stale_while_revalidate;
        let window = match why {
            StaleReason::Revalidating => revalidating.or(limit),
            StaleReason::Error | StaleReason::Unavailable | StaleReason::Busy => {
                self.directives.stale_if_error.or(limit).max(revalidating)
            }
        };
        window.is_some_and(|window| since < window)
    }

    /// Whether a request accepts this response without revalidation (RFC 9111, 5.2.1).
    pub fn satisfies(&self, request: &RequestDirectives, now: u64) -> bool {
        if request.no_cache || request.max_age.is_some_and(|max_age| self.age(now) > max_age) {
            return false;
        }
        match self.freshness(now) {
            Freshness::Fresh { left } => request.min_fresh.is_none_or(|seconds| left >= seconds),
            Freshness::Stale { since } => {
                let accepted =
                    request.max_stale.is_some_and(|limit| limit.is_none_or(|limit| since <= limit));
                accepted && request.min_fresh.is_none() && !self.forbids_stale()
            }
        }
    }

    /// Whether the content never changes while it is fresh, so that a reload need not revalidate it (RFC 8246).
    pub fn is_immutable(&self) -> bool {
        self.directives.immutable
    }

    /// Returns the names of the request fields by which the response varies.
    pub fn vary(&self) -> &VaryNames {
        &self.vary
    }

    /// Returns the values of `ETag` and `Last-Modified` for `If-None-Match` and `If-Modified-Since` (RFC 9111, 4.3.1).
    pub fn validators(&self) -> (Option<&str>, Option<&str>) {
        (self.etag.as_deref(), self.last_modified.as_deref())
    }

    /// Whether no use is allowed without asking the application, fresh or not. All but `no-cache` is never stored, and
    /// comes by a 304 only.
    fn demands_validation(&self) -> bool {
        let directives = &self.directives;
        directives.no_cache == Restriction::All
            || directives.private == Restriction::All
            || (directives.no_store && !directives.must_understand)
            || self.vary.is_any()
    }

    fn forbids_stale(&self) -> bool {
        self.demands_validation() || self.directives.forbids_stale()
    }

    pub(super) fn has_validator(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether it is fresh on arrival, or may be used stale by its own words.
    pub(super) fn is_ever_usable(&self) -> bool {
        let is_usable_stale =
            self.directives.stale_while_revalidate.max(self.directives.stale_if_error) > Some(0)
                && !self.forbids_stale();
        matches!(self.freshness(self.received), Freshness::Fresh { .. }) || is_usable_stale
    }
}

/// Returns the directives that count, with the lifetime by them or by `Expires`.
fn control(
    fields: &ResponseLines,
    date: Option<u64>,
    initial_age: u64,
    received: u64,
) -> (ResponseDirectives, Option<u64>) {
    if let Some(directives) = targeted(fields) {
        let lifetime = directives.lifetime();
        return (directives, lifetime);
    }
    match accel_expires(fields, received) {
        Some(AccelExpires::NoStore) => {
            return (ResponseDirectives { no_store: true, ..ResponseDirectives::default() }, None);
        }
        // They count from the arrival, whatever the age was then.
        Some(AccelExpires::After(seconds)) => {
            let lifetime = Some(seconds.saturating_add(initial_age));
            return (ResponseDirectives::default(), lifetime);
        }
        None => {}
    }
    let directives = ResponseDirectives::parse(fields.get_all(b"cache-control"));
    let lifetime = directives.lifetime().or_else(|| expires(fields, date.unwrap_or(received)));
    (directives, lifetime)
}

/// The lifetime by `Expires` (RFC 9111, 4.2.1 and 5.3). One that is malformed or repeated is in the past.
fn expires(fields: &ResponseLines, date: u64) -> Option<u64> {
    let mut all = fields.get_all(b"expires");
    let one = all.next()?;
    if all.any(|other| other != one) {
        return Some(0);
    }
    let moment = std::str::from_utf8(one).ok().and_then(date::parse_leniently);
    Some(moment.map_or(0, |moment| moment.saturating_sub(date).min(MAX_SECONDS)))
}

/// The corrected initial age (RFC 9111, 4.2.3). Of a list in `Age` the first member counts, and one that is malformed
/// is ignored (5.1).
fn initial_age(fields: &ResponseLines, date: Option<u64>, times: ExchangeTimes) -> u64 {
    let ages = fields
        .get_all(b"age")
        .next()
        .and_then(|value| delta_seconds(value.split(|&byte| byte == b',').next()?.trim_ascii()));
    let delay = times.received.saturating_sub(times.sent);
    let apparent = times.received.saturating_sub(date.unwrap_or(times.received));
    apparent.max(ages.unwrap_or(0).saturating_add(delay)).min(MAX_SECONDS)
}

/// Whether this is an entity tag (RFC 9110, 8.8.3) that can be sent back.
fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte > b' ' && byte != b'"' && byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::{super::test_lines::lines, *};
    use Freshness::{Fresh, Stale};
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: u64 = 784_111_777;
    const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT";
    const HOUR_AGO: &str = "date: Sun, 06 Nov 1994 07:49:37 GMT";
    const IN_AN_HOUR: &str = "Sun, 06 Nov 1994 09:49:37 GMT";
    const TIMES: ExchangeTimes = ExchangeTimes { sent: NOW, received: NOW };

    fn policy(fields: &[&str]) -> ResponsePolicy {
        ResponsePolicy::of(StatusCode::OK, &lines(fields), TIMES)
    }

    #[test]
    fn lifetimes() {
        let after = |field: &str| format!("expires: {field}");
        let in_an_hour = after(IN_AN_HOUR);
        let expires = in_an_hour.as_str();
        for (fields, expected) in [
            (&[][..], None),
            (&["last-modified: Sun, 06 Nov 1994 07:49:37 GMT"], None),
            (&["cache-control: max-age=60"], Some(60)),
            (&["cache-control: max-age=60, s-maxage=1"], Some(1)),
            (&["cache-control: s-maxage=60, max-age=1"], Some(60)),
            (&["cache-control: max-age=60", "cache-control: s-maxage=1"], Some(1)),
            (&["cache-control: max-age=60", expires, DATE], Some(60)),
            (&["cache-control: max-age=0", expires, DATE], Some(0)),
            (&["cache-control: max-age=x", expires, DATE], Some(0)),
            (&["cache-control: public", expires, DATE], Some(3600)),
            (&["cache-control: max-age=60", "expires: 0"], Some(60)),
            (&[expires], Some(3600)),
            (&[expires, "date: foo"], Some(3600)),
            (&[expires, HOUR_AGO], Some(7200)),
            (&[expires, "date: Sun, 06 Nov 1994 10:49:37 GMT"], Some(0)),
            (&["expires: 0", DATE], Some(0)),
            (&["expires:", DATE], Some(0)),
            (&["expires: -1"], Some(0)),
            (&[expires, "expires: Sun, 06 Nov 1994 09:49:38 GMT", DATE], Some(0)),
            (&[expires, expires, DATE], Some(3600)),
            // A targeted field replaces both.
            (&["cdn-cache-control: max-age=9", expires, "cache-control: max-age=60"], Some(9)),
            (&["cdn-cache-control: public", expires, "cache-control: max-age=60"], None),
            (&["cdn-cache-control: max-age=\"9\"", "cache-control: max-age=60"], Some(60)),
            (&["x-accel-expires: 9", expires, "cache-control: max-age=60"], Some(9)),
            (&["x-accel-expires: 9", "cdn-cache-control: max-age=8"], Some(8)),
            (&["x-accel-expires: off", "cache-control: max-age=60"], Some(60)),
        ] {
            assert_eq!(policy(fields).lifetime, expected, "{fields:?}");
        }
    }

    #[test]
    fn malformed_dates_expire_at_once() {
        for date in [
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18  Aug  2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
        ] {
            assert_eq!(policy(&[&format!("expires: {date}"), DATE]).lifetime, Some(0), "{date}");
        }
        for date in [
            "Sun, 21 Nov 2286 04:46:39 GMT",
            "Thursday, 18-Aug-50 02:01:18 GMT",
            "Thu Aug  8 02:01:18 2050",
            "THU, 18 Aug 2050 02:01:18 GMT",
            "Thu, 18 AUG 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 gMT",
        ] {
            assert!(policy(&[&format!("expires: {date}"), DATE]).lifetime() > 1_000_000, "{date}");
        }
    }

    #[test]
    fn ages() {
        for (fields, expected) in [
            (&[][..], 0),
            (&["age: 30"], 30),
            (&[HOUR_AGO], 3600),
            (&[HOUR_AGO, "age: 30"], 3600),
            (&[HOUR_AGO, "age: 4000"], 4000),
            (&["date: Sun, 06 Nov 1994 10:49:37 GMT"], 0),
            (&["age: 7200, 0"], 7200),
            (&["age: 0, 7200"], 0),
            (&["age: 7200", "age: 0"], 7200),
            (&["age: 0", "age: 7200"], 0),
            (&["age: 2147483649"], MAX_SECONDS),
            (&["age: abc"], 0),
            (&["age: -7200"], 0),
            (&["age: 7200.0"], 0),
            (&["age: 7200;foo=bar"], 0),
        ] {
            let policy = policy(fields);
            assert_eq!(policy.age(NOW), expected, "{fields:?}");
            assert_eq!(policy.age(NOW + 5), (expected + 5).min(MAX_SECONDS), "{fields:?}");
            assert_eq!(policy.age(0), expected, "a clock that was set back");
        }
        // The time that the request took counts as age, because the response may have been made at its beginning.
        let times = ExchangeTimes { sent: NOW - 4, received: NOW };
        for (fields, expected) in [(&["age: 30"][..], 34), (&[DATE], 4)] {
            let policy = ResponsePolicy::of(StatusCode::OK, &lines(fields), times);
            assert_eq!(policy.age(NOW + 1), expected + 1);
        }
    }

    #[test]
    fn freshness_ends_with_the_lifetime() {
        let one = policy(&["cache-control: max-age=60", "age: 10"]);
        for (after, expected) in [
            (0, Fresh { left: 50 }),
            (49, Fresh { left: 1 }),
            (50, Stale { since: 0 }),
            (55, Stale { since: 5 }),
        ] {
            assert_eq!(one.freshness(NOW + after), expected, "{after}");
        }
        let no_cache = policy(&["cache-control: max-age=60, no-cache"]);
        assert_eq!(no_cache.freshness(NOW + 5), Stale { since: 0 });
        let fields = policy(&["cache-control: max-age=60, no-cache=\"x-a\""]);
        assert_eq!(fields.freshness(NOW), Fresh { left: 60 });
        let accel = policy(&["x-accel-expires: 60", "age: 1000"]);
        assert_eq!(accel.freshness(NOW), Fresh { left: 60 });
        assert_eq!(policy(&[]).freshness(NOW), Stale { since: 0 });
    }

    #[test]
    fn stale_responses_are_used_within_their_bounds() {
        use StaleReason::{Busy, Error, Revalidating, Unavailable};
        for (field, why, allowed, limit) in [
            ("max-age=60", Revalidating, 9, 9),
            ("max-age=60", Error, 9, 9),
            ("max-age=60, stale-while-revalidate=5", Revalidating, 5, 9),
            ("max-age=60, stale-while-revalidate=20", Revalidating, 20, 9),
            ("max-age=60, stale-while-revalidate=0", Revalidating, 0, 9),
            ("max-age=60, stale-while-revalidate=20", Error, 20, 9),
            ("max-age=60, stale-while-revalidate=5", Unavailable, 9, 9),
            ("max-age=60, stale-if-error=20", Error, 20, 9),
            ("max-age=60, stale-if-error=5", Busy, 5, 9),
            ("max-age=60, stale-if-error=20", Revalidating, 9, 9),
        ] {
            let policy = policy(&[&format!("cache-control: {field}")]);
            let at = |since| policy.allows_stale(why, NOW + 60 + since, limit);
            assert!((0..allowed).all(at) && !at(allowed), "{field} {why:?}");
        }
        for fields in [
            &["cache-control: max-age=0"][..],
            &["cache-control: max-age=60", "age: 60"],
            &["expires: Sun, 06 Nov 1994 07:49:37 GMT", DATE],
            &["etag: \"a\""],
        ] {
            for why in [Revalidating, Error, Unavailable, Busy] {
                assert!(!policy(fields).allows_stale(why, NOW, u64::MAX), "{fields:?} {why:?}");
            }
        }
        let said = policy(&["cache-control: max-age=0, stale-while-revalidate=5"]);
        assert!(said.allows_stale(Revalidating, NOW + 4, 0), "it says so itself");
        assert!(!said.allows_stale(Revalidating, NOW + 5, u64::MAX));
        for field in ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"] {
            let field = format!(
                "cache-control: {field}, max-age=60, stale-if-error=99, stale-while-revalidate=99"
            );
            let policy = policy(&[&field]);
            for why in [Revalidating, Error, Unavailable, Busy] {
                assert!(!policy.allows_stale(why, NOW + 60, u64::MAX), "{field} {why:?}");
            }
        }
        assert!(policy(&["cache-control: max-age=60"]).allows_stale(Error, NOW, 0), "fresh");
    }

    #[test]
    fn requests_demand_fresh_or_accept_stale() {
        let at = |field: &str, fields: &[&str], after| {
            let request = RequestDirectives::parse(std::iter::once(field.as_bytes()));
            policy(fields).satisfies(&request, NOW + after)
        };
        let hour = &["cache-control: max-age=3600", "age: 1800"][..];
        let strict = &["cache-control: max-age=3600, must-revalidate", "age: 1800"][..];
        for (request, fields, after, expected) in [
            ("", hour, 0, true),
            ("no-cache", hour, 0, false),
            ("max-age=0", hour, 0, false),
            ("max-age=600", hour, 0, false),
            ("max-age=1800", hour, 0, true),
            ("min-fresh=1800", hour, 0, true),
            ("min-fresh=1801", hour, 0, false),
            ("", hour, 1800, false),
            ("max-stale", hour, 90_000, true),
            ("max-stale=10", hour, 1810, true),
            ("max-stale=10", hour, 1811, false),
            ("max-stale=10, max-age=5", hour, 1801, false),
            ("max-stale", strict, 1801, false),
        ] {
            assert_eq!(at(request, fields, after), expected, "{request} {fields:?} {after}");
        }
    }

    #[test]
    fn default_lifetime_fills_a_gap_only() {
        for (status, fields, expected) in [
            (200, &[][..], 5),
            (200, &["age: 10"], 15),
            (200, &["cache-control: public"], 5),
            (200, &["cache-control: max-age=1"], 1),
            (200, &["cache-control: max-age=0"], 0),
            (200, &["expires: 0"], 0),
            (200, &["cache-control: private"], 0),
            (200, &["cache-control: no-store"], 0),
            (200, &["cache-control: no-cache"], 0),
            (200, &["x-accel-expires: 0"], 0),
            (404, &[], 5),
            (302, &[], 0),
            (500, &[], 0),
            (599, &["cache-control: public"], 5),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let policy = ResponsePolicy::of(status, &lines(fields), TIMES).with_default_lifetime(5);
            assert_eq!(policy.lifetime(), expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn validators_are_well_formed() {
        let date = "last-modified: Sun, 06 Nov 1994 08:49:37 GMT";
        for (fields, expected) in [
            (&[][..], (None, None)),
            (&["etag: \"a,b\"", date], (Some("\"a,b\""), Some("Sun, 06 Nov 1994 08:49:37 GMT"))),
            (&["etag: W/\"a\""], (Some("W/\"a\""), None)),
            (&["etag: \"\""], (Some("\"\""), None)),
            (&["etag: a", "last-modified: yesterday"], (None, None)),
            (&["etag: \"", "etag: \"b\""], (None, None)),
            (&["etag: \"a\" \"b\""], (None, None)),
        ] {
            assert_eq!(policy(fields).validators(), expected, "{fields:?}");
        }
    }

    #[test]
    fn revalidated_policy_keeps_what_the_304_does_not_say() {
        use super::super::{stored_fields, updated};
        let later = ExchangeTimes { sent: NOW + 100, received: NOW + 100 };
        for (stored, by_304, expected) in [
            (&["cache-control: max-age=60", DATE][..], &[][..], 60),
            (&["cache-control: max-age=60", DATE], &["cache-control: max-age=9"], 9),
            (&["sideman-cache-control: max-age=70", "cache-control: private"], &[], 70),
            (&["sideman-cache-control: max-age=70"], &["sideman-cache-control: max-age=9"], 9),
            (&["x-accel-expires: 70", "cache-control: no-store"], &["cache-control: no-cache"], 70),
        ] {
            let (stored, by_304) = (lines(stored), lines(by_304));
            let first = ResponsePolicy::of(StatusCode::OK, &stored, TIMES);
            let updated = updated(&stored_fields(&stored, &first), &by_304);
            let second = first.revalidated(&updated, later);
            assert_eq!((second.lifetime(), second.age(NOW + 101)), (expected, 1), "{stored:?}");
            // And once more.
            let updated = super::super::updated(&stored_fields(&updated, &second), &by_304);
            assert_eq!(second.revalidated(&updated, later).lifetime(), expected);
        }
    }

    #[test]
    fn a_304_can_forbid_what_the_stored_response_allowed() {
        use super::super::updated;
        let stored = lines(&["cache-control: max-age=60", "vary: accept"]);
        let policy = ResponsePolicy::of(StatusCode::OK, &stored, TIMES);
        for (by_304, expected) in [
            ("cache-control: max-age=60", true),
            ("vary: Accept", true),
            ("cache-control: max-age=60, private", false),
            ("cache-control: max-age=60, no-store", false),
            ("cache-control: max-age=60, no-cache", false),
            ("vary: *", false),
            ("vary: cookie", false),
            ("vary:", false),
        ] {
            let policy = policy.revalidated(&updated(&stored, &lines(&[by_304])), TIMES);
            let is_fresh = matches!(policy.freshness(NOW), Fresh { .. });
            let is_stale_usable = policy.allows_stale(StaleReason::Error, NOW + 60, 99);
            assert_eq!((is_fresh, is_stale_usable), (expected, expected), "{by_304}");
        }
    }

    proptest! {
        #[test]
        fn arithmetic_saturates(
            value in "[0-9]{0,22}",
            name in prop_oneof![
                Just("age: "), Just("x-accel-expires: "), Just("x-accel-expires: @"),
                Just("cache-control: max-age="), Just("cdn-cache-control: max-age="),
            ],
            sent: u64, received: u64, now: u64, limit: u64, default: u64,
        ) {
            let lines = lines(&[&format!("{name}{value}"), DATE]);
            let policy = ResponsePolicy::of(StatusCode::OK, &lines, ExchangeTimes { sent, received });
            for policy in [policy.clone(), policy.with_default_lifetime(default)] {
                prop_assert!(policy.age(now) <= MAX_SECONDS);
                policy.freshness(now);
                policy.allows_stale(StaleReason::Error, now, limit);
                policy.satisfies(&RequestDirectives::default(), now);
            }
        }

        /// What was stale stays stale.
        #[test]
        fn responses_do_not_become_fresh_again(
            max_age in 0_u64..1000, age in 0_u64..1000, early in 0_u64..2000, later in 0_u64..2000,
        ) {
            let policy = policy(&[&format!("cache-control: max-age={max_age}"), &format!("age: {age}")]);
            let (one, other) = (policy.freshness(NOW + early), policy.freshness(NOW + early + later));
            prop_assert_eq!(matches!(one, Fresh { .. }), max_age > age + early);
            if matches!(one, Stale { .. }) {
                let is_stale = matches!(other, Stale { .. });
                prop_assert!(is_stale);
            }
        }
    }
}
