//! Collapsed requests: one request at the application for all clients that want the same page.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{FRESH, Site, cache_status, response};
use crate::support::{Client, Gate, Sideman, eventually, eventually_is, repeat_for};

/// More than the in-flight limit, the queue and a worker's share.
const CLIENTS: usize = 1000;

/// An application that holds its first response until the gate opens.
fn held(fields: &'static str, gate: &Gate) -> Site {
    let waits = gate.clone();
    Site::answering(move |request, number| {
        if number == 1 {
            waits.pass();
        }
        response(request, "200 OK", &[fields], &format!("number {number}"))
    })
}

/// Sends a request on a new connection.
fn ask(sideman: &Sideman, target: &str) -> Client {
    let mut client = sideman.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    client
}

/// Waits until so many requests have arrived at Sideman.
#[track_caller]
fn until_in_flight(sideman: &Sideman, count: usize) {
    sideman.until_metric("sideman_requests_in_flight", &[], count as f64);
}

/// The time that 99 % of these are within.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[test]
fn a_thousand_clients_are_one_request() {
    let gate = Gate::new();
    let site = held(FRESH, &gate);
    let sideman = site.settings().set("server.workers", "4").start();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| ask(&sideman, "/page")).collect();
    until_in_flight(&sideman, CLIENTS);
    assert_eq!(site.count(), 1);
    gate.open();
    let begin = Instant::now();
    let mut times = Vec::new();
    let mut collapsed = 0;
    for client in &mut clients {
        let page = client.response();
        times.push(begin.elapsed());
        assert_eq!((page.status, page.text().as_str()), (200, "number 1"));
        collapsed += usize::from(cache_status(&page).contains("collapsed"));
    }
    assert_eq!((site.count(), collapsed), (1, CLIENTS - 1));
    eprintln!("collapse: {CLIENTS} clients, p99 {:?} after the response", p99(times));
}

#[test]
fn a_response_that_cannot_be_stored_lets_all_go() {
    let gate = Gate::new();
    let site = held("Cache-Control: private", &gate);
    let sideman = site.settings().set("server.workers", "4").start();
    let mut clients: Vec<Client> = (0..CLIENTS / 2).map(|_| ask(&sideman, "/page")).collect();
    until_in_flight(&sideman, CLIENTS / 2);
    assert_eq!(site.count(), 1);
    gate.open();
    let begin = Instant::now();
    let mut texts: Vec<String> = clients
        .iter_mut()
        .map(|client| {
            let page = client.response();
            assert_eq!(page.status, 200, "{}", page.text());
            page.text()
        })
        .collect();
    eprintln!("unstorable: {} clients in {:?}", texts.len(), begin.elapsed());
    texts.sort_unstable();
    texts.dedup();
    // Nobody has the page of another.
    assert_eq!(texts.len(), CLIENTS / 2);
}

/// RFC 9111, 3.5: the page does not say that it may be stored for requests with credentials.
#[test]
fn requests_with_credentials_get_no_page_of_a_visitor_without() {
    let gate = Gate::new();
    let site = held(FRESH, &gate);
    let sideman = site.sideman();
    // Visitors with a cookie that may be a session wait for each other, apart from those without.
    let mut first = sideman.connect();
    first.send("GET /page HTTP/1.1\r\nHost: example.test\r\nCookie: other=1\r\n\r\n");
    eventually_is("requests at the application", &1, || site.count());
    let mut ada = sideman.connect();
    ada.send("GET /page HTTP/1.1\r\nHost: example.test\r\nAuthorization: Bearer ada\r\n\r\n");
    until_in_flight(&sideman, 2);
    gate.open();
    assert_eq!(first.response().text(), "number 1");
    let page = ada.response();
    assert_eq!(page.text(), "number 2", "{}", cache_status(&page));
}

/// The page is remembered: the next burst does not wait for anybody.
#[test]
fn requests_for_an_unstorable_page_do_not_wait_for_each_other() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = Site::answering(move |request, number| {
        if number > 1 {
            waits.pass();
        }
        response(request, "200 OK", &["Set-Cookie: a=b"], &format!("number {number}"))
    });
    let sideman = site.sideman();
    assert_eq!(sideman.get("/page").text(), "number 1");
    let mut clients: Vec<Client> = (0..3).map(|_| ask(&sideman, "/page")).collect();
    // All of them are at the application at once.
    eventually_is("requests at the application", &4, || site.count());
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn the_first_client_leaves_and_the_others_get_the_page() {
    for waits_for_head in [true, false] {
        let (arrived, gate) = (Gate::new(), Gate::new());
        let (arrives, waits) = (arrived.clone(), gate.clone());
        let site = Site::answering(move |request, number| {
            if number == 1 {
                arrives.open();
                if waits_for_head {
                    waits.pass();
                }
            }
            response(request, "200 OK", &[FRESH], "the page")
        });
        let sideman = site.sideman();
        let first = ask(&sideman, "/page");
        arrived.pass();
        let mut others: Vec<Client> = (0..20).map(|_| ask(&sideman, "/page")).collect();
        if waits_for_head {
            until_in_flight(&sideman, 21);
        }
        first.reset_connection();
        if waits_for_head {
            // The others wait on, with or without the first one's request.
            until_in_flight(&sideman, 20);
            gate.open();
        }
        for client in &mut others {
            let page = client.response();
            assert_eq!((page.status, page.text().as_str()), (200, "the page"));
        }
        assert!(site.count() <= 2, "{} requests", site.count());
    }
}

#[test]
fn those_who_wait_hold_no_permit() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = Site::answering(move |request, _| {
        if request.target() == "/slow" {
            waits.pass();
        }
        response(request, "200 OK", &[FRESH], "page")
    });
    let sideman = site.settings().set("upstream.max_in_flight", "2").start();
    let mut waiting: Vec<Client> = (0..50).map(|_| ask(&sideman, "/slow")).collect();
    until_in_flight(&sideman, 50);
    sideman.until_metric("sideman_upstream_in_flight", &[], 1.0);
    sideman.until_metric("sideman_queue_length", &[], 0.0);
    // The other permit is free.
    assert_eq!(sideman.get("/other").status, 200);
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn an_error_reaches_all_who_wait() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = Site::answering(move |request, number| {
        if number == 1 {
            waits.pass();
        }
        response(request, "500 Oh", &[], &format!("number {number}"))
    });
    let sideman = site.sideman();
    let mut clients: Vec<Client> = (0..50).map(|_| ask(&sideman, "/page")).collect();
    until_in_flight(&sideman, 50);
    gate.open();
    let begin = Instant::now();
    for client in &mut clients {
        assert_eq!(client.response().status, 500);
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn an_application_that_never_responds_fails_all_in_time() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = Site::answering(move |request, _| {
        waits.pass();
        response(request, "200 OK", &[FRESH], "late")
    });
    let sideman = site.settings().set("upstream.read_timeout", "500ms").start();
    let mut clients: Vec<Client> = (0..20).map(|_| ask(&sideman, "/page")).collect();
    let begin = Instant::now();
    for client in &mut clients {
        assert_eq!(client.response().status, 504);
    }
    // They have waited together, not one after the other.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    gate.open();
}

#[test]
fn a_large_response_reaches_all_who_wait() {
    let gate = Gate::new();
    let waits = gate.clone();
    let body = "0123456789abcdef".repeat(1 << 16);
    let expected = body.clone();
    let site = Site::answering(move |request, number| {
        if number == 1 {
            waits.pass();
        }
        response(request, "200 OK", &[FRESH], &body)
    });
    let sideman = site.sideman();
    let clients: Vec<Client> = (0..10).map(|_| ask(&sideman, "/page")).collect();
    until_in_flight(&sideman, 10);
    gate.open();
    let expected = &expected;
    thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || assert!(client.response().text() == *expected));
        }
    });
    assert_eq!(site.count(), 1);
}

/// Requests that vary by a field wait for the first, and then fetch what it was not for.
#[test]
fn a_response_for_another_variant_is_not_shared() {
    let gate = Gate::new();
    let waits = gate.clone();
    let site = Site::answering(move |request, number| {
        if number == 1 {
            waits.pass();
        }
        let own = request.head.get("x-a").unwrap_or_default().to_owned();
        response(request, "200 OK", &[FRESH, "Vary: X-A"], &own)
    });
    let sideman = site.sideman();
    let mut clients: Vec<(usize, Client)> = (0..30)
        .map(|index| {
            let mut client = sideman.connect();
            let value = index % 3;
            client.send(format!("GET / HTTP/1.1\r\nHost: example.test\r\nX-A: {value}\r\n\r\n"));
            (value, client)
        })
        .collect();
    until_in_flight(&sideman, 30);
    gate.open();
    for (value, client) in &mut clients {
        assert_eq!(client.response().text(), value.to_string());
    }
    assert!(site.count() < 30, "{} requests", site.count());
}

/// Under load of many pages at once, each is fetched once.
#[test]
fn many_pages_at_once() {
    let site = Site::answering(|request, _| {
        response(request, "200 OK", &[FRESH], &format!("page {}", request.target()))
    });
    let sideman = site.settings().set("server.workers", "4").start();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = sideman.connect();
                for page in 0..200 {
                    let target = format!("/{page}");
                    assert_eq!(client.get(&target).text(), format!("page {target}"));
                }
            });
        }
    });
    let count = eventually("an end", || Some(site.count()));
    assert_eq!(count, 200);
    repeat_for(Duration::from_millis(50), || assert_eq!(site.count(), 200));
}
