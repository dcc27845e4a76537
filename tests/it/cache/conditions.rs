//! Conditions and ranges from stored responses, and revalidation with the application (RFC 9111, 4.3; RFC 9110, 13
//! and 14).

use super::{Site, cache_status, fetch_with, is_hit, until};

const STORED: &str =
    "Cache-Control: max-age=600|ETag: \"a\"|Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT";
const BODY: &str = "X-Body: 0123456789\r\n";

#[test]
fn conditions_are_answered_from_a_stored_response() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    fetch_with(&mut client, "/", STORED, BODY);
    for (condition, status) in [
        ("If-None-Match: \"a\"", 304),
        ("If-None-Match: W/\"a\"", 304),
        ("If-None-Match: \"b\", \"a\"", 304),
        ("If-None-Match: *", 304),
        ("If-None-Match: \"b\"", 200),
        ("If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT", 304),
        ("If-Modified-Since: Fri, 02 Jan 2015 00:00:00 GMT", 304),
        ("If-Modified-Since: Wed, 31 Dec 2014 00:00:00 GMT", 200),
        ("If-Modified-Since: yesterday", 200),
        // RFC 9110, 13.2.2: the tag goes first.
        ("If-None-Match: \"b\"\r\nIf-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT", 200),
        ("If-None-Match: \"a\"\r\nIf-Modified-Since: Wed, 31 Dec 2014 00:00:00 GMT", 304),
    ] {
        let response = fetch_with(&mut client, "/", STORED, &format!("{condition}\r\n"));
        assert_eq!(response.status, status, "{condition}: {}", cache_status(&response));
        assert!(is_hit(&response), "{condition}: {}", cache_status(&response));
        // RFC 9110, 15.4.5.
        for name in ["etag", "cache-control", "date"] {
            assert!(response.header(name).is_some(), "{condition}: {name}");
        }
        let body = if status == 304 { "" } else { "0123456789" };
        assert_eq!(response.text(), body, "{condition}");
    }
    assert_eq!(site.count(), 1);
}

#[test]
fn ranges_are_answered_from_a_complete_response() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    fetch_with(&mut client, "/", STORED, BODY);
    for (lines, status, range, body) in [
        ("Range: bytes=0-1", 206, Some("bytes 0-1/10"), "01"),
        ("Range: bytes=4-", 206, Some("bytes 4-9/10"), "456789"),
        ("Range: bytes=-3", 206, Some("bytes 7-9/10"), "789"),
        ("Range: bytes=-30", 206, Some("bytes 0-9/10"), "0123456789"),
        ("Range: bytes=8-99", 206, Some("bytes 8-9/10"), "89"),
        ("Range: bytes=10-", 416, Some("bytes */10"), ""),
        ("Range: pages=1", 200, None, "0123456789"),
        ("Range: bytes=0-1\r\nIf-Range: \"a\"", 206, Some("bytes 0-1/10"), "01"),
        ("Range: bytes=0-1\r\nIf-Range: \"b\"", 200, None, "0123456789"),
        // RFC 9110, 13.1.5: a weak tag never matches here.
        ("Range: bytes=0-1\r\nIf-Range: W/\"a\"", 200, None, "0123456789"),
        ("Range: bytes=0-1\r\nIf-None-Match: \"a\"", 304, None, ""),
    ] {
        let response = fetch_with(&mut client, "/", STORED, &format!("{lines}\r\n"));
        assert_eq!(response.status, status, "{lines}: {}", cache_status(&response));
        assert_eq!(response.header("content-range"), range, "{lines}");
        if status != 416 {
            assert_eq!(response.text(), body, "{lines}");
        }
    }
    assert_eq!(site.count(), 1);
}

#[test]
fn a_range_fetches_the_whole_response() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    // What the application would say to a range is its own matter; what is stored must be complete.
    let lines = format!("{BODY}Range: bytes=2-3\r\n");
    let first = fetch_with(&mut client, "/", STORED, &lines);
    assert!(matches!((first.status, first.text().as_str()), (206, "23") | (200, "0123456789")));
    let second = fetch_with(&mut client, "/", STORED, BODY);
    assert_eq!((second.status, second.text().as_str()), (200, "0123456789"));
}

#[test]
fn a_condition_of_a_client_does_not_poison_the_cache() {
    let site = Site::answering(|request, _| {
        let status = match request.head.get("if-none-match") {
            Some(_) => "304 Not Modified",
            None => "200 OK",
        };
        super::response(request, status, &["Cache-Control: max-age=600", "ETag: \"a\""], "whole")
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let first = client.ask("GET", "/", "If-None-Match: \"a\"\r\n");
    assert_eq!((first.status, first.text().as_str()), (304, ""));
    // RFC 9111, 3: a 304 is no response to an unconditional request.
    let second = client.get("/");
    assert_eq!((second.status, second.text().as_str()), (200, "whole"));
    assert_eq!(client.ask("GET", "/", "If-None-Match: \"a\"\r\n").status, 304);
    assert_eq!(client.ask("GET", "/", "If-None-Match: \"b\"\r\n").status, 200);
}

/// An application whose page changes with the query, and which responds to conditions.
fn revalidating() -> Site {
    Site::answering(|request, number| {
        let known = request.head.get("if-none-match") == Some("\"a\"")
            || request.head.get("if-modified-since") == Some("Thu, 01 Jan 2015 00:00:00 GMT");
        let own = format!("X-Number: {number}");
        let validator = match request.target() {
            "/modified" => "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
            _ => "ETag: \"a\"",
        };
        let lifetime =
            if number == 1 { "Cache-Control: max-age=1" } else { "Cache-Control: max-age=600" };
        let status = if known { "304 Not Modified" } else { "200 OK" };
        super::response(request, status, &[lifetime, validator, &own], "page")
    })
}

#[test]
fn stale_responses_are_revalidated_and_updated() {
    for target in ["/tag", "/modified"] {
        let site = revalidating();
        let sideman = site.sideman();
        let mut client = sideman.connect();
        client.get(target);
        let response = until("a revalidation", || client.get(target), |_| site.count() == 2);
        assert_eq!((response.status, response.text().as_str()), (200, "page"), "{target}");
        assert!(cache_status(&response).contains("fwd=stale"), "{}", cache_status(&response));
        assert!(cache_status(&response).contains("fwd-status=304"), "{}", cache_status(&response));
        let asked = site.last();
        let name = if target == "/tag" { "if-none-match" } else { "if-modified-since" };
        assert!(asked.head.has(name), "{target}: {asked:?}");
        // RFC 9111, 3.2 and 4.3.4: the fields of the 304 replace those that were stored.
        assert_eq!(response.header("x-number"), Some("2"), "{target}");
        assert_eq!(response.header("content-length"), Some("4"), "{target}");
        let again = client.get(target);
        assert!(is_hit(&again), "{target}: {}", cache_status(&again));
        assert_eq!((again.header("x-number"), again.text().as_str()), (Some("2"), "page"));
        assert_eq!(site.count(), 2, "{target}");
    }
}

#[test]
fn fields_of_a_304_that_are_never_stored_reach_nobody() {
    let site = Site::answering(|request, number| {
        let known = request.head.get("if-none-match") == Some("\"a\"");
        let lifetime =
            if number == 1 { "Cache-Control: max-age=1" } else { "Cache-Control: max-age=600" };
        let status = if known { "304 Not Modified" } else { "200 OK" };
        let inner = ["Surrogate-Key: secret", "Sideman-Cache-Control: max-age=500", "Age: 7"];
        let all = [&[lifetime, "ETag: \"a\""][..], if known { &inner } else { &[] }].concat();
        super::response(request, status, &all, "page")
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    client.get("/");
    until("a revalidation", || client.get("/"), |_| site.count() == 2);
    let again = client.get("/");
    assert!(is_hit(&again), "{}", cache_status(&again));
    assert_eq!(
        (again.header("surrogate-key"), again.header("sideman-cache-control")),
        (None, None)
    );
    assert_eq!(again.head.all("age").len(), 1);
}

#[test]
fn a_client_that_has_the_current_version_gets_304_after_revalidation() {
    let site = revalidating();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    client.get("/tag");
    let ask = "If-None-Match: \"x\", \"a\"\r\n";
    let response =
        until("a revalidation", || client.ask("GET", "/tag", ask), |_| site.count() == 2);
    assert_eq!((response.status, response.body.len()), (304, 0));
    assert_eq!(response.header("etag"), Some("\"a\""));
    assert_eq!((client.get("/tag").text().as_str(), site.count()), ("page", 2));
}

#[test]
fn no_cache_is_revalidated_every_time() {
    let site = Site::answering(|request, number| {
        let known = request.head.get("if-none-match") == Some("\"a\"");
        let status = if known { "304 Not Modified" } else { "200 OK" };
        let body = format!("number {number}");
        super::response(request, status, &["Cache-Control: no-cache", "ETag: \"a\""], &body)
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for number in 1..=3 {
        let response = client.get("/");
        assert_eq!(response.status, 200);
        // It is stored or not; it never comes without the application's consent.
        assert_eq!(site.count(), number);
    }
}

#[test]
fn a_new_version_replaces_a_stale_one() {
    let site = Site::answering(|request, number| {
        let tag = format!("ETag: \"{number}\"");
        let lifetime =
            if number == 1 { "Cache-Control: max-age=1" } else { "Cache-Control: max-age=600" };
        super::response(request, "200 OK", &[lifetime, &tag], &format!("number {number}"))
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "number 1");
    let response = until("a new version", || client.get("/"), |_| site.count() == 2);
    assert_eq!((response.header("etag"), response.text().as_str()), (Some("\"2\""), "number 2"));
    assert_eq!(client.get("/").text(), "number 2");
    assert_eq!(site.count(), 2);
}
