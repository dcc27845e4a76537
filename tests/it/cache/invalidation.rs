//! Unsafe requests invalidate what is stored (RFC 9111, 4.4).

use super::{FRESH, Site, cache_status, fetch, fetch_with, is_hit};

#[test]
fn successful_unsafe_requests_invalidate_their_url() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for (method, status, is_invalidated) in [
        ("POST", "200 OK", true),
        ("POST", "302 Found", true),
        ("PUT", "204 No Content", true),
        ("DELETE", "200 OK", true),
        ("PATCH", "200 OK", true),
        // A method of unknown safety.
        ("M-SEARCH", "200 OK", true),
        ("POST", "403 Forbidden", false),
        ("POST", "500 Oh", false),
        ("OPTIONS", "200 OK", false),
    ] {
        let target = format!("/{method}/{}?a=1", &status[..3]);
        let first = fetch(&mut client, &target, FRESH);
        // The same URL with other fields is another variant, and goes as well.
        let lines = format!("X-Status: {status}\r\nContent-Length: 0\r\n");
        let response = client.ask(method, &target, &lines);
        assert_eq!(response.status.to_string(), status[..3], "{method}");
        let second = fetch(&mut client, &target, FRESH);
        assert_eq!(first.body != second.body, is_invalidated, "{method} {status}");
    }
}

#[test]
fn every_variant_is_invalidated() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let fields = "Cache-Control: max-age=600|Vary: X-A";
    let one = fetch_with(&mut client, "/", fields, "X-A: 1\r\n");
    let two = fetch_with(&mut client, "/", fields, "X-A: 2\r\n");
    client.post("/", "", b"");
    assert_ne!(fetch_with(&mut client, "/", fields, "X-A: 1\r\n").body, one.body);
    assert_ne!(fetch_with(&mut client, "/", fields, "X-A: 2\r\n").body, two.body);
}

#[test]
fn location_and_content_location_are_invalidated() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for (name, value, is_invalidated) in [
        ("Location", "/page", true),
        ("Content-Location", "/page", true),
        ("Location", "http://example.test/page", true),
        ("Location", "page", true),
        ("Location", "./a/../page", true),
        ("Location", "/page#part", true),
        // RFC 9111, 4.4: never for another host.
        ("Location", "http://other.test/page", false),
        ("Location", "//other.test/page", false),
        ("Content-Location", "http://example.test:81/page", false),
        ("Location", "/pages", false),
    ] {
        let first = fetch(&mut client, "/page", FRESH);
        let fields = format!("X-Status: 303 See Other\r\nX-Fields: {name}: {value}\r\n");
        client.post("/form", &fields, b"");
        let second = fetch(&mut client, "/page", FRESH);
        let status = cache_status(&second);
        assert_eq!(first.body != second.body, is_invalidated, "{name}: {value}: {status}");
    }
}

/// A response that was on its way when its URL was invalidated may be the old one.
#[test]
fn a_response_older_than_the_invalidation_is_not_reused() {
    use crate::support::Gate;
    let (arrived, released) = (Gate::new(), Gate::new());
    let (arrives, waits) = (arrived.clone(), released.clone());
    let site = Site::answering(move |request, number| {
        if number == 1 {
            arrives.open();
            waits.pass();
        }
        super::response(request, "200 OK", &[FRESH], &format!("number {number}"))
    });
    let sideman = site.sideman();
    let mut slow = sideman.connect();
    slow.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    arrived.pass();
    assert_eq!(sideman.connect().post("/", "", b"").status, 200);
    released.open();
    assert_eq!(slow.response().text(), "number 1");
    let next = sideman.get("/");
    assert_eq!((is_hit(&next), next.text().as_str()), (false, "number 3"));
}

#[test]
fn a_failed_request_to_a_bad_application_invalidates_nothing() {
    let site = Site::start();
    let sideman = site.sideman();
    let mut client = sideman.connect();
    let first = fetch(&mut client, "/", FRESH);
    // Refused by Sideman itself: the application has not seen it.
    let refused = "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: x\r\n\r\n";
    assert_eq!(sideman.connect().send(refused).response().status, 400);
    assert_eq!(fetch(&mut client, "/", FRESH).body, first.body);
}
