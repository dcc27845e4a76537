//! What responses and requests say about caching: header fields, of the response and of the request alike.

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::fuzz_input as input;
use crate::rfc::{
    caching::{
        ExchangeTimes, Freshness, MAX_SECONDS, NotStorable, RequestDirectives, RequestTraits,
        ResponsePolicy, StaleReason, VaryNames, invalidated_groups, invalidated_targets,
        response_tags, selecting_value, stored_fields, updated,
    },
    request_parts::Headers,
    response_lines::ResponseLines,
};

const NOW: u64 = 784_111_777;

/// Tests the fields of one response and one request.
pub fn check(data: &[u8]) {
    let map = input::fields(data);
    let lines = ResponseLines::from(&map);
    let times = ExchangeTimes { sent: NOW - 2, received: NOW };
    let policy = ResponsePolicy::of(StatusCode::OK, &lines, times);
    freshness(&policy, &RequestDirectives::of(&map.iter().collect()));
    storable(&map, &policy);
    fields(&lines, &policy, times);
    if !data.contains(&b'"') {
        let joined = ResponseLines::from(&joined(&map));
        let other = ResponsePolicy::of(StatusCode::OK, &joined, times);
        assert_eq!(other.vary(), policy.vary(), "one field or several");
        if !map.contains_key("x-accel-expires") && !map.contains_key("expires") {
            assert_eq!(other.lifetime(), policy.lifetime(), "one field or several");
        }
    }
    variants(&map.iter().collect(), policy.vary());
    assert!(response_tags(&lines).len() <= 128 && invalidated_groups(&lines).len() <= 128);
    for target in invalidated_targets(&lines, "http", "a", "/b/c") {
        assert!(target.starts_with('/'), "{target}");
    }
}

fn freshness(policy: &ResponsePolicy, request: &RequestDirectives) {
    let mut was_stale = false;
    for later in [0, 1, 59, 60, 3600, MAX_SECONDS, u64::MAX - NOW] {
        let now = NOW + later;
        assert!(policy.age(now) <= MAX_SECONDS && policy.age(now) >= later.min(MAX_SECONDS));
        let is_fresh = matches!(policy.freshness(now), Freshness::Fresh { left } if left > 0);
        assert!(!is_fresh || !was_stale, "stale responses stay stale");
        was_stale = !is_fresh;
        if !is_fresh && policy.satisfies(request, now) {
            assert!(request.max_stale.is_some());
        }
        if policy.allows_stale(StaleReason::Revalidating, now, 60) {
            assert!(policy.allows_stale(StaleReason::Revalidating, now, 3600));
        }
    }
}

/// What may be stored after an authenticated request may be stored after any.
fn storable(map: &HeaderMap, policy: &ResponsePolicy) {
    let authenticated = RequestTraits { has_authorization: true, ..RequestTraits::default() };
    let plain = policy.storable(RequestTraits::default());
    if policy.storable(authenticated).is_ok() {
        assert_eq!(plain, Ok(()));
    }
    if map.contains_key("set-cookie") {
        assert!(plain.is_err());
    }
    let targeted = ["sideman-cache-control", "cdn-cache-control", "x-accel-expires"];
    if targeted.iter().any(|name| map.contains_key(*name)) {
        return;
    }
    // A plain reading: members between commas, where nothing is quoted.
    let fields = map.get_all("cache-control").iter().map(HeaderValue::as_bytes);
    let members: Vec<&[u8]> = fields
        .filter(|field| !field.contains(&b'"'))
        .flat_map(|field| field.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let names = |name: &[u8]| members.iter().any(|member| member.eq_ignore_ascii_case(name));
    if names(b"private") {
        assert!(plain.is_err());
    }
    if names(b"no-store") && !names(b"must-understand") && plain.is_ok() {
        let all = map.get_all("cache-control").iter();
        let is_understood = all.map(HeaderValue::as_bytes).any(|field| {
            field.to_ascii_lowercase().windows(15).any(|part| part == b"must-understand")
        });
        assert!(is_understood, "no-store is stored");
    }
    if names(b"no-cache") {
        assert!(matches!(policy.freshness(NOW), Freshness::Stale { .. }));
        assert!(!policy.allows_stale(StaleReason::Error, NOW, u64::MAX));
    }
    assert!(plain != Err(NotStorable::Authorization));
}

fn fields(lines: &ResponseLines, policy: &ResponsePolicy, times: ExchangeTimes) {
    let stored = stored_fields(lines, policy);
    let dropped: [&[u8]; 5] =
        [b"age", b"set-cookie", b"connection", b"sideman-cache-control", b"surrogate-key"];
    assert!(stored.iter().all(|(name, _)| !dropped.contains(&name)));
    assert_eq!(stored.as_bytes(), stored_fields(&stored, policy).as_bytes());
    // A 304 with the same fields changes nothing but the order and the policy's clock.
    let once = updated(&stored, lines);
    assert_eq!(once.length, stored.length);
    let policy = policy.revalidated(&once, times);
    let again = stored_fields(&once, &policy);
    assert_eq!(updated(&again, lines).iter().count(), once.iter().count());
}

fn variants(headers: &Headers, vary: &VaryNames) {
    let names: Vec<&str> = vary.iter().collect();
    assert!(names.is_sorted() && names.len() <= 16);
    for name in names {
        assert_eq!(name, name.to_ascii_lowercase());
        let value = selecting_value(headers, name);
        let has_field = headers.iter().any(|(_, other, _)| other == name.as_bytes());
        assert_eq!(value.is_some(), has_field);
    }
}

/// The same values in one field instead of several (RFC 9110, 5.3).
fn joined(headers: &HeaderMap) -> HeaderMap {
    let mut joined = HeaderMap::new();
    for name in headers.keys() {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let value = HeaderValue::from_bytes(&values.join(&b", "[..]));
        joined.insert(name, value.expect("values joined are a value"));
    }
    joined
}
