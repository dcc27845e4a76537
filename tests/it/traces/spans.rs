//! What the spans of a request say.

use std::time::{SystemTime, UNIX_EPOCH};

use super::collector::{CLIENT, Collector, SERVER};
use crate::support::{App, Gate, TempDir, eventually};

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

#[test]
fn request_has_a_span_and_the_application_has_one_within_it() {
    let (collector, application) = (Collector::start(), App::saying("hello"));
    let sideman = collector.settings(&application).start();
    let before = now();
    let mut client = sideman.connect();
    let fields =
        "Cookie: sessionid=hunter2\r\nAuthorization: Bearer hunter2\r\nUser-Agent: hunter2\r\n";
    assert_eq!(client.ask("GET", "/cart?token=hunter2", fields).status, 200);
    let [server, upstream] = &collector.until(2)[..] else { panic!() };
    assert!(before <= server.begin() && server.end() <= now(), "{server:?}");
    assert!(server.begin() <= upstream.begin() && upstream.begin() < upstream.end());
    assert!(upstream.end() <= server.end());
    assert_eq!((server.kind(), upstream.kind()), (SERVER, CLIENT));
    assert_eq!((server.parent(), upstream.parent()), ("", server.id()));
    assert_eq!(server.text("traceId"), upstream.text("traceId"));
    assert_eq!((server.text("name"), upstream.text("name")), ("GET", "GET"));
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "5"),
        ("url.path", "/cart"),
        ("url.scheme", "http"),
        ("server.address", "example.test"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("sideman.route", "proxy"),
    ] {
        assert_eq!(server.attribute(name), value, "{name}");
    }
    let url = application.url();
    assert_eq!(upstream.attribute("server.port"), url.rsplit_once(':').unwrap().1);
    assert_eq!(upstream.attribute("http.response.status_code"), "200");
    assert!(!server.is_error() && !upstream.is_error());
    let all = format!("{:?}", collector.spans());
    assert!(!all.contains("hunter2"), "{all}");
    // The same ids are in the access log.
    let line = sideman.log_of("/cart");
    assert_eq!(line["trace_id"], server.text("traceId"));
    assert_eq!(line["request_id"], server.attribute("sideman.request_id"));
}

#[test]
fn wait_in_the_queue_has_a_span() {
    let gate = Gate::new();
    let shared = gate.clone();
    let application = App::start(move |_| {
        shared.pass();
        App::reply(b"hello")
    });
    let collector = Collector::start();
    let sideman = collector.settings(&application).set("upstream.max_in_flight", "1").start();
    let ask = |path: &str| {
        let mut client = sideman.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        client
    };
    let mut first = ask("/first");
    sideman.until_metric("sideman_upstream_in_flight", &[], 1.0);
    let before = now();
    let mut second = ask("/second");
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    let queued = now();
    gate.open();
    assert_eq!((first.response().status, second.response().status), (200, 200));
    let spans = collector.until(5);
    let server = spans.iter().find(|span| span.attribute("url.path") == "/second").unwrap();
    let of = |kind| spans.iter().find(|span| span.parent() == server.id() && span.kind() == kind);
    let (queue, upstream) = (of(1).unwrap(), of(CLIENT).unwrap());
    assert_eq!(queue.text("name"), "queue");
    assert!(before <= queue.begin() && queued <= queue.end());
    assert!(server.begin() <= queue.begin() && queue.end() <= upstream.begin());
}

#[test]
fn errors_are_those_of_the_access_log() {
    let (collector, application) =
        (Collector::start(), App::start(|_| b"nonsense\r\n\r\n".to_vec()));
    let sideman = collector.settings(&application).start();
    assert_eq!(sideman.get("/page").status, 502);
    let [server, upstream] = &collector.until(2)[..] else { panic!() };
    let error = sideman.log_of("/page")["error"].as_str().unwrap().to_owned();
    for span in [server, upstream] {
        assert!(span.is_error() && span.attribute("error.type") == error, "{span:?}");
    }
    assert_eq!(server.attribute("http.response.status_code"), "502");
    assert_eq!(upstream.attribute("http.response.status_code"), "");
}

#[test]
fn unavailable_application_has_a_failed_span() {
    let collector = Collector::start();
    let gone = App::saying("hello");
    let settings = collector.settings(&gone).set("health.wait_for_application", "false");
    drop(gone);
    let sideman = settings.start();
    assert_eq!(sideman.get("/page").status, 502);
    let [server, upstream] = &collector.until(2)[..] else { panic!() };
    assert_eq!(server.attribute("error.type"), "upstream_refused");
    assert!(upstream.is_error());
}

/// A page has dozens of files, and each would be a trace of its own.
#[test]
fn file_has_a_span_only_within_a_trace_or_if_it_fails() {
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    let (collector, application) = (Collector::start(), App::saying("hello"));
    let sideman = collector.settings(&application).files("/static/", directory.path()).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/static/a.txt").status, 200);
    assert_eq!(client.get("/healthz").status, 200);
    let parent = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    assert_eq!(client.ask("GET", "/static/a.txt", parent).status, 200);
    assert_eq!(client.get("/static/b.txt").status, 404);
    let [file, missing] = &collector.until(2)[..] else { panic!() };
    assert_eq!((file.parent(), file.attribute("sideman.route")), ("b7ad6b7169203331", "static"));
    assert_eq!(missing.attribute("http.response.status_code"), "404");
    assert!(!missing.is_error());
}

#[test]
fn stored_response_has_no_span_of_the_application() {
    const CACHED: &[u8] =
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nhi";
    let (collector, application) = (Collector::start(), App::start(|_| CACHED.to_vec()));
    let sideman = collector.settings(&application).set("cache.memory", "1MiB").start();
    let mut client = sideman.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/page").text(), "hi");
    }
    let [first, upstream, second] = &collector.until(3)[..] else { panic!() };
    assert_eq!(
        (first.attribute("sideman.cache"), second.attribute("sideman.cache")),
        ("miss", "hit")
    );
    assert_eq!((upstream.kind(), upstream.parent()), (CLIENT, first.id()));
    assert_eq!(upstream.attribute("http.response.status_code"), "200");
}

/// The application is asked for later visitors, in a request of its own that has no span here.
#[test]
fn refresh_in_the_background_belongs_to_the_request_that_began_it() {
    let application = App::start(|request| {
        let traceparent = request.head.get("traceparent").unwrap_or_default();
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=0, stale-while-revalidate=60";
        let length = traceparent.len();
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{traceparent}").into_bytes()
    });
    let collector = Collector::start();
    let sideman = collector.settings(&application).set("cache.memory", "1MiB").start();
    let mut client = sideman.connect();
    let first = client.get("/page").text();
    assert_eq!(client.get("/page").text(), first);
    let refreshed = eventually("the refreshed page", || {
        Some(client.get("/page").text()).filter(|page| *page != first)
    });
    let parent = refreshed.split('-').nth(2).unwrap();
    let server = collector.one("its request", |span| span.id() == parent);
    assert_eq!((server.kind(), server.attribute("sideman.cache")), (SERVER, "stale"));
}

#[test]
fn client_address_is_reported_only_if_the_access_log_has_it() {
    let (collector, application) = (Collector::start(), App::saying("hello"));
    let sideman = collector.settings(&application).set("log.fields", "time,path,status").start();
    assert_eq!(sideman.get("/page").status, 200);
    let server = collector.one("the request's span", |span| span.kind() == SERVER);
    assert_eq!(server.attribute("client.address"), "");
    // The name of the application's server does not depend on the log.
    let upstream = collector.one("the application's span", |span| span.kind() == CLIENT);
    assert_eq!(upstream.attribute("server.address"), "127.0.0.1");
}
