//! A failing fallback: its failures are 404, counted and logged; no request waits for it
//! longer than configured, and requests to it are limited.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Site, rescued};
use crate::support::{
    App, Client, Gate, Origin, ReservedPort, close, eventually_is, expect, pattern, send,
    until_closed,
};

const HASHED: &str = "/static/app.0123456789ab.css";
/// The number of concurrent requests of each worker to the fallback.
const AT_ONCE: usize = 32;

fn site(fallback: &str) -> Site {
    Site::set(&[], |settings| {
        settings
            .set("server.workers", "1")
            .set("static.fallback", fallback)
            .set("static.fallback_timeout", "300ms")
    })
}

/// The request fails; the response does not show why, the log and the metric do.
#[track_caller]
fn check_failure(site: &Site, what: &str) {
    let response = site.sideman.get(HASHED);
    assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
    let event = site.sideman.event("static.fallback failed a request");
    assert!(event.contains("WARN") && event.contains(HASHED), "{event}");
    assert!(event.contains(what), "{what:?} in {event}");
    assert_eq!(rescued(&site.sideman, "failed"), 1.0, "{what}");
    assert_eq!(rescued(&site.sideman, "fallback"), 0.0, "{what}");
}

#[test]
fn unreachable_fallback_is_404_and_logged() {
    let port = ReservedPort::new();
    let site = site(&port.url());
    check_failure(&site, &port.address().to_string());
}

#[test]
fn fallback_that_does_not_accept_times_out() {
    let port = ReservedPort::new();
    let site = site(&port.url());
    let _queue = port.fill_accept_queue();
    let begin = Instant::now();
    check_failure(&site, "upstream_connect_timeout");
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
}

#[test]
fn silent_fallback_times_out() {
    let origin = Origin::script([expect(&format!("GET {HASHED} ")), until_closed()]);
    let site = site(&origin.url());
    let begin = Instant::now();
    check_failure(&site, "upstream_read_timeout");
    assert!(begin.elapsed() >= Duration::from_millis(300), "{:?}", begin.elapsed());
    origin.until_closed(1);
}

#[test]
fn error_status_of_the_fallback_is_404() {
    for status in ["500 Oh", "502 Bad Gateway", "503 Slow Down", "504 Timeout"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\noops");
        let origin = Origin::script([expect("GET "), send(answer), close()]);
        check_failure(&site(&origin.url()), "its response was an error");
    }
}

#[test]
fn malformed_or_truncated_fallback_response_is_404() {
    for answer in [
        "",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        // A short response is read before anything is sent to the client.
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    ] {
        let origin = Origin::script([expect("GET "), send(answer), close()]);
        check_failure(&site(&origin.url()), "");
    }
}

#[test]
fn truncated_file_of_the_fallback_never_looks_whole() {
    let large = pattern(1 << 20);
    for framing in
        ["Content-Length: 2097152\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n200000\r\n"]
    {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}");
        let origin =
            Origin::script([expect("GET "), send([head.as_bytes(), &large].concat()), close()]);
        let site = site(&origin.url());
        let mut client = site.sideman.connect();
        client.send(format!("GET {HASHED} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
        let failure = client.try_response("GET").expect_err("no whole file came");
        assert!(failure.to_string().contains("closed"), "{framing}: {failure}");
    }
}

#[test]
fn fallback_failures_are_logged_once_in_ten_seconds() {
    let port = ReservedPort::new();
    let site = site(&port.url());
    let mut client = site.sideman.connect();
    for number in 0..50 {
        assert_eq!(client.get(&format!("/static/{number}.0123456789ab.css")).status, 404);
    }
    drop(client);
    site.sideman.until_metric("sideman_static_fallback_total", &[("found", "failed")], 50.0);
    let (_, events) = site.sideman.stop_for_events();
    let told = events.iter().filter(|line| line.contains("static.fallback failed")).count();
    // One event every ten seconds, and fifty requests take less.
    assert!((1..=2).contains(&told), "{told} lines");
}

fn ask(site: &Site, number: usize) -> Client {
    let mut client = Client::connect_with_small_buffer(site.sideman.address(), 16 * 1024);
    let target = format!("/static/{number}.0123456789ab.css");
    client.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    client
}

#[test]
fn requests_over_the_fallback_limit_are_not_forwarded() {
    let (gate, arrived) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (shut, count) = (gate.clone(), Arc::clone(&arrived));
    let previous = App::start(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        shut.pass();
        App::reply(b"old")
    });
    // Sending so many requests takes a while.
    let site = Site::set(&[], |settings| {
        settings
            .set("server.workers", "1")
            .set("static.fallback", &previous.url())
            .set("static.fallback_timeout", "20s")
    });
    let mut waiting: Vec<Client> = (0..AT_ONCE).map(|number| ask(&site, number)).collect();
    eventually_is("requests at the fallback", &AT_ONCE, || arrived.load(Ordering::SeqCst));
    for number in 0..8 {
        assert_eq!(ask(&site, AT_ONCE + number).response().status, 404, "{number}");
    }
    assert_eq!(arrived.load(Ordering::SeqCst), AT_ONCE);
    assert_eq!(rescued(&site.sideman, "failed"), 8.0);
    let event = site.sideman.event("static.fallback failed a request");
    assert!(event.contains("too many requests"), "{event}");
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response().text(), "old");
    }
    assert_eq!(rescued(&site.sideman, "fallback"), 32.0);
    // The permits are free again.
    for number in 0..AT_ONCE {
        assert_eq!(ask(&site, number).response().text(), "old");
    }
}

#[test]
fn slow_client_keeps_its_fallback_permit() {
    // Each holds a connection and a descriptor until the client has read its response.
    let large = pattern(16 << 20);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len());
    let answer = [head.as_bytes(), &large].concat();
    let previous = App::start(move |request| {
        if request.method() == "HEAD" { head.clone().into_bytes() } else { answer.clone() }
    });
    let site = Site::set(&[], |settings| {
        settings
            .set("server.workers", "1")
            .set("static.fallback", &previous.url())
            .set("static.fallback_timeout", "20s")
    });
    let mut slow: Vec<Client> = (0..AT_ONCE).map(|number| ask(&site, number)).collect();
    for client in &mut slow {
        assert_eq!(client.head().status(), Ok(200));
    }
    assert_eq!(ask(&site, AT_ONCE).response().status, 404);
    assert_eq!(rescued(&site.sideman, "failed"), 1.0);
    // A client that disconnects releases its permit, and so does one that reads to the end.
    slow.pop().unwrap().reset_connection();
    eventually_is("a place", &200, || {
        let mut client = site.sideman.connect();
        client.ask("HEAD", "/static/more.0123456789ab.css", "").status
    });
}
