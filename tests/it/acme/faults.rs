//! Authorities that are broken, busy or out of their mind.

use super::{
    authority::{Authority, Fault, response},
    connect, settings, until_issued,
};
use crate::support::{App, TempDir};

fn problem(status: u16, kind: &str, detail: &str, fields: &str) -> Fault {
    let kind = format!("urn:ietf:params:acme:error:{kind}");
    let body = serde_json::json!({ "type": kind, "detail": detail, "status": status });
    Fault::Respond(response(status, fields, &body.to_string()))
}

/// Each fault ends an attempt with an event, and the next one works.
#[test]
fn broken_responses_end_one_attempt() {
    let Some(authority) = Authority::start() else { return };
    let application = App::saying("hello");
    let bad_url = serde_json::json!({
        "newNonce": "https://[", "newAccount": "https://ca.test/", "newOrder": "https://ca.test/",
    });
    let cases: [(&str, Fault, &str); 11] = [
        ("/dir", Fault::Cut(""), "no valid response"),
        (
            "/dir",
            Fault::Cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a"),
            "no valid response",
        ),
        ("/dir", Fault::Endless, "more than 262144 bytes"),
        ("/dir", Fault::Respond(response(200, "", "<html>")), "acme.directory"),
        ("/dir", Fault::Respond(response(200, "", "{}")), "acme.directory"),
        // The library panics.
        ("/dir", Fault::Respond(response(200, "", &bad_url.to_string())), "internal error"),
        ("/dir", Fault::Respond(response(502, "", "<html>Bad Gateway")), "status 502"),
        ("/nonce-plz", Fault::Respond(response(500, "", "")), "status 500"),
        (
            "/order-plz",
            problem(503, "serverInternal", "back soon", ""),
            "back soon (serverInternal)",
        ),
        ("/sign-me-up", problem(500, "serverInternal", "sorry", ""), "sorry (serverInternal)"),
        ("/sign-me-up", problem(403, "externalAccountRequired", "no", ""), "not supported"),
    ];
    for (path, fault, expected) in cases {
        let storage = TempDir::new();
        authority.fail_once(path, fault);
        let sideman = settings(&authority, &storage, &application, "a.test").start();
        let address = connect(&authority, &sideman);
        let line = sideman.event("cannot obtain a certificate");
        assert!(line.contains(expected), "{expected}: {line}");
        assert_eq!(sideman.get("/").text(), "hello");
        sideman.until_metric("sideman_acme_attempts_total", &[("result", "failed")], 1.0);
        if ["/sign-me-up", "/order-plz"].contains(&path) {
            // The authority has got a request that it counts: the next attempt is later.
            assert_eq!(orders(&storage), 1, "{path}");
            continue;
        }
        // No order was made, so a reload tries again at once.
        assert_eq!(orders(&storage), 0, "{path}");
        assert_eq!(sideman.admin_post("/-/reload").status, 200);
        until_issued(&authority, address, "a.test");
    }
}

#[test]
fn bad_nonce_is_tried_again_within_the_attempt() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    for path in ["/sign-me-up", "/order-plz", "/finalize-order"] {
        authority.fail_once(path, problem(400, "badNonce", "stale", "Replay-Nonce: AAAA\r\n"));
    }
    let sideman = settings(&authority, &storage, &application, "a.test").start();
    let address = connect(&authority, &sideman);
    until_issued(&authority, address, "a.test");
    assert_eq!(sideman.metric("sideman_acme_attempts_total", &[("result", "failed")]), 0.0);
}

#[test]
fn rate_limit_is_respected_across_restarts_and_reloads() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let limited = problem(429, "rateLimited", "too many certificates", "Retry-After: 7200\r\n");
    authority.fail_once("/order-plz", limited);
    let settings = settings(&authority, &storage, &application, "a.test");
    let sideman = settings.start();
    connect(&authority, &sideman);
    let line = sideman.event("cannot obtain a certificate");
    assert!(line.contains("too many certificates (rateLimited)"), "{line}");
    let history = history(&storage);
    let (last, not_before) = (&history["orders"][0], &history["not_before"]);
    let pause = not_before.as_u64().unwrap() - last.as_u64().unwrap();
    assert!((7195..7260).contains(&pause), "{history}");
    for _ in 0..3 {
        assert_eq!(sideman.admin_post("/-/reload").status, 200);
    }
    sideman.shut_down();
    // The pause is the account's, whatever the names are.
    for domains in ["a.test", "b.test,a.test", "c.test"] {
        let settings = super::settings(&authority, &storage, &application, domains);
        let sideman = settings.start();
        assert_eq!(sideman.get("/").text(), "hello");
        sideman.shut_down();
    }
    assert_eq!(authority.requests("/order-plz"), 1);
}

#[test]
fn rate_limit_of_the_order_poll_is_respected() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let limited = problem(429, "rateLimited", "too many requests", "Retry-After: 7200\r\n");
    authority.fail_once("/my-order/", limited);
    let sideman = settings(&authority, &storage, &application, "a.test").start();
    connect(&authority, &sideman);
    let line = sideman.event("cannot obtain a certificate");
    assert!(line.contains("too many requests (rateLimited)"), "{line}");
    let history = history(&storage);
    let pause = history["not_before"].as_u64().unwrap() - history["orders"][0].as_u64().unwrap();
    assert!((7195..7260).contains(&pause), "{history}");
}

/// The library adds it to a time without a check.
#[test]
fn pause_without_an_end_is_ignored() {
    let Some(authority) = Authority::start() else { return };
    let (application, storage) = (App::saying("hello"), TempDir::new());
    let order = serde_json::json!({
        "status": "pending", "identifiers": [], "authorizations": [], "finalize": "https://ca.test/",
    });
    let fields = "Retry-After: 18446744073709551615\r\n";
    authority.fail_once("/my-order/", Fault::Respond(response(200, fields, &order.to_string())));
    let sideman = settings(&authority, &storage, &application, "a.test").start();
    let address = connect(&authority, &sideman);
    until_issued(&authority, address, "a.test");
    assert_eq!(sideman.metric("sideman_acme_attempts_total", &[("result", "failed")]), 0.0);
}

#[track_caller]
fn history(storage: &TempDir) -> serde_json::Value {
    let text = std::fs::read(super::stored(storage, "history.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The number of orders that count towards the limits.
#[track_caller]
fn orders(storage: &TempDir) -> usize {
    history(storage)["orders"].as_array().unwrap().len()
}
