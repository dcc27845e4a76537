//! Stale responses: while one request revalidates, while the application fails, is unavailable or busy
//! (RFC 5861; RFC 9111, 4.2.4).

use std::time::{Duration, Instant};

use super::{Site, cache_status, is_hit, response, until};
use crate::support::{Gate, Response, Settings, Sideman, eventually, repeat_for};

/// An application that responds to the first request with these directives and `first`, and to later ones as the
/// function says.
fn site(
    directives: &'static str,
    later: impl Fn(usize) -> (&'static str, String) + Send + Sync + 'static,
) -> Site {
    Site::answering(move |request, number| {
        let control = format!("Cache-Control: {directives}");
        if number == 1 {
            return response(request, "200 OK", &[&control], "first");
        }
        let (status, text) = later(number);
        response(request, status, &[&control], &text)
    })
}

/// Gets a page until it comes stale from the cache.
#[track_caller]
fn until_stale(sideman: &Sideman) -> Response {
    let mut client = sideman.connect();
    until(
        "a stale response",
        || client.get("/"),
        // RFC 9211, 2.5: it has been stale for a time.
        |response| is_hit(response) && cache_status(response).contains("ttl=-"),
    )
}

#[test]
fn one_request_revalidates_in_the_background() {
    let (arrived, released) = (Gate::new(), Gate::new());
    let (arrives, waits) = (arrived.clone(), released.clone());
    let site = site("max-age=1, stale-while-revalidate=600", move |number| {
        arrives.open();
        waits.pass();
        ("200 OK", format!("number {number}"))
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "first");
    // The application does not respond yet, and nobody waits for it.
    eventually("a request in the background", || {
        assert_eq!(client.get("/").text(), "first");
        (site.count() == 2).then_some(())
    });
    arrived.pass();
    for _ in 0..50 {
        let response = sideman.get("/");
        assert_eq!(response.text(), "first");
        assert!(is_hit(&response), "{}", cache_status(&response));
    }
    assert_eq!(site.count(), 2);
    released.open();
    let fresh = until("the new version", || client.get("/"), |page| page.text() != "first");
    assert_eq!(fresh.text(), "number 2");
}

#[test]
fn a_background_request_survives_its_client() {
    let (arrived, released) = (Gate::new(), Gate::new());
    let (arrives, waits) = (arrived.clone(), released.clone());
    let site = site("max-age=1, stale-while-revalidate=600", move |number| {
        arrives.open();
        waits.pass();
        ("200 OK", format!("number {number}"))
    });
    let sideman = site.sideman();
    assert_eq!(sideman.get("/").text(), "first");
    // Each on a connection of its own, which closes at once.
    eventually("a request in the background", || {
        assert_eq!(sideman.get("/").text(), "first");
        (site.count() == 2).then_some(())
    });
    arrived.pass();
    released.open();
    let fresh = until("the new version", || sideman.get("/"), |page| page.text() != "first");
    assert_eq!(fresh.text(), "number 2");
}

#[test]
fn errors_of_the_application_are_hidden() {
    for status in ["500 Oh", "502 Oh", "503 Oh", "504 Oh"] {
        let site = site("max-age=1, stale-if-error=600", move |_| (status, "broken".to_owned()));
        let sideman = site.sideman();
        assert_eq!(sideman.get("/").text(), "first");
        let response = until_stale(&sideman);
        assert_eq!((response.status, response.text().as_str()), (200, "first"), "{status}");
    }
}

#[test]
fn errors_within_the_limit_of_their_response_only() {
    // RFC 5861, 4: for no time at all.
    let site = site("max-age=1, stale-if-error=0", |_| ("500 Oh", "broken".to_owned()));
    let sideman = site.sideman();
    assert_eq!(sideman.get("/").text(), "first");
    let response = until("the error", || sideman.get("/"), |page| page.status != 200);
    assert_eq!((response.status, response.text().as_str()), (500, "broken"));
}

#[test]
fn an_error_is_no_reason_to_forget_the_page() {
    let site = site("max-age=1, stale-if-error=600", |number| match number {
        2..=4 => ("503 Oh", "broken".to_owned()),
        _ => ("200 OK", "again".to_owned()),
    });
    let sideman = site.sideman();
    assert_eq!(sideman.get("/").text(), "first");
    let response = until(
        "the page after the errors",
        || {
            let page = sideman.get("/");
            assert_eq!(page.status, 200, "{}", page.text());
            page
        },
        |page| page.text() == "again",
    );
    assert_eq!(response.status, 200);
}

/// An application whose connections close, once it has responded to one request.
fn leaving(directives: &'static str) -> (Sideman, Site) {
    let site = Site::answering(move |request, _| {
        let control = format!("Cache-Control: {directives}");
        response(request, "200 OK", &[&control, "Connection: close"], "first")
    });
    let sideman = site.settings().start();
    assert_eq!(sideman.get("/").text(), "first");
    (sideman, site)
}

#[test]
fn pages_stay_while_the_application_is_unavailable() {
    for directives in ["max-age=1", "max-age=1, stale-if-error=600", "max-age=1, public"] {
        let (sideman, site) = leaving(directives);
        drop(site);
        let response = until_stale(&sideman);
        assert_eq!((response.status, response.text().as_str()), (200, "first"), "{directives}");
        // What is not stored fails as ever.
        assert!(sideman.get("/other").status >= 502);
    }
}

/// A request that is to revalidate when the application becomes unavailable, and all who wait for it, get the page.
#[test]
fn nobody_waits_for_an_unavailable_application_while_there_is_a_stale_page() {
    let site = Site::answering(move |request, _| {
        response(request, "200 OK", &["Cache-Control: max-age=1", "Connection: close"], "first")
    });
    let sideman = site.settings().set("upstream.wait", "10s").start();
    assert_eq!(sideman.get("/").text(), "first");
    drop(site);
    let mut longest = Duration::ZERO;
    let ask = || {
        let begin = Instant::now();
        let page = sideman.get("/");
        longest = longest.max(begin.elapsed());
        page
    };
    until("a stale page", ask, |page| cache_status(page).contains("ttl=-"));
    assert!(longest < Duration::from_secs(5), "{longest:?}");
}

#[test]
fn nothing_stale_where_it_is_forbidden() {
    for directives in [
        "max-age=1, must-revalidate",
        "max-age=1, proxy-revalidate",
        "s-maxage=1",
        "max-age=1, s-maxage=1",
        "max-age=1, must-revalidate, stale-if-error=600, stale-while-revalidate=600",
    ] {
        let (sideman, site) = leaving(directives);
        drop(site);
        let response = until("an error", || sideman.get("/"), |page| page.status != 200);
        assert!((502..=504).contains(&response.status), "{directives}: {}", response.status);
        repeat_for(Duration::from_millis(50), || {
            assert_ne!(sideman.get("/").status, 200, "{directives}");
        });
    }
}

#[test]
fn fresh_pages_need_no_application() {
    let (sideman, site) = leaving("max-age=600");
    drop(site);
    for _ in 0..20 {
        let response = sideman.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "first"));
        assert!(is_hit(&response));
    }
}

#[test]
fn pages_stay_while_the_application_does_not_respond() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = site("max-age=1, stale-if-error=600", move |_| {
        waits.pass();
        ("200 OK", "late".to_owned())
    });
    let sideman = site.settings().set("upstream.read_timeout", "300ms").start();
    assert_eq!(sideman.get("/").text(), "first");
    let response = until_stale(&sideman);
    assert_eq!((response.status, response.text().as_str()), (200, "first"));
    gate.open();
}

/// The queue's oldest request is older than 250 ms: a stale page now is better than a fresh one later.
#[test]
fn pages_stay_while_the_application_is_busy() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = Site::answering(move |request, _| {
        if request.target() == "/slow" {
            waits.pass();
        }
        response(request, "200 OK", &["Cache-Control: max-age=1"], "first")
    });
    let sideman = site.settings().set("upstream.max_in_flight", "1").start();
    assert_eq!(sideman.get("/").text(), "first");
    let mut clients: Vec<_> = (0..2).map(|_| sideman.connect()).collect();
    for client in &mut clients {
        client.send("POST /slow HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\n");
    }
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    let response = until_stale(&sideman);
    assert_eq!((response.status, response.text().as_str()), (200, "first"));
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn maintenance_goes_before_stored_pages() {
    let directory = crate::support::TempDir::new();
    let file = directory.join("maintenance");
    let site = site("max-age=600", |_| ("200 OK", "later".to_owned()));
    let settings: Settings = site.settings().set("maintenance.flag", file.to_str().unwrap());
    let sideman = settings.start();
    assert_eq!(sideman.get("/").text(), "first");
    directory.write("maintenance", "");
    let response = until("maintenance", || sideman.get("/"), |page| page.status != 200);
    assert_eq!(response.status, 503);
}
