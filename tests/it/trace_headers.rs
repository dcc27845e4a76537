//! Header fields for the agents of APM services: `X-Request-Start`, `traceparent`, and `Server-Timing` in responses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{App, Client, Gate, Request, Settings, Sideman, TempDir};

const TRUSTED: &str = "127.0.0.0/8";
const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
const TRACE: &str = "5759e988bd862e3fe1be46a994272793";

/// An application that responds with the values of one header field, and Sideman in front of it.
fn showing(name: &'static str, trusted: &str) -> (App, Sideman) {
    let application =
        App::start(move |request| App::reply(request.head.all(name).join("\n").as_bytes()));
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", trusted)
        .set("server.workers", "1")
        .start();
    (application, sideman)
}

/// An application that responds once the gate is open.
fn held(respond: fn(&Request) -> Vec<u8>) -> (App, Gate) {
    let gate = Gate::new();
    let shared = gate.clone();
    let application = App::start(move |request| {
        shared.pass();
        respond(request)
    });
    (application, gate)
}

/// Sends a request without waiting for the response.
fn ask(sideman: &Sideman, path: &str) -> Client {
    let mut client = sideman.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    client
}

/// The values that arrived for a request with these fields.
#[track_caller]
fn arrived(sideman: &Sideman, fields: &str) -> Vec<String> {
    let response = sideman.connect().ask("GET", "/", fields);
    response.text().lines().map(str::to_owned).collect()
}

/// The wall clock in milliseconds.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[track_caller]
fn milliseconds(value: &str) -> u128 {
    value.strip_prefix("t=").unwrap().parse().unwrap()
}

#[test]
fn request_start_is_the_time_of_the_request() {
    let (_application, sideman) = showing("x-request-start", "none");
    let before = now();
    let values = arrived(&sideman, "");
    let [value] = &values[..] else { panic!("{values:?}") };
    assert!((before..=now()).contains(&milliseconds(value)), "{value}");
}

#[test]
fn request_start_is_the_time_of_the_first_byte() {
    let (_application, sideman) = showing("x-request-start", "none");
    let mut client = sideman.connect();
    client.send("GET / HT");
    // One worker serves all connections in turn: it has read the first bytes when it has answered twice.
    let mut other = sideman.connect();
    for _ in 0..2 {
        assert_eq!(other.get("/").status, 200);
    }
    let after_first = now();
    // The rest must arrive in another millisecond.
    while now() <= after_first + 1 {
        assert_eq!(other.get("/").status, 200);
    }
    client.send("TP/1.1\r\nHost: a.test\r\n\r\n");
    let value = client.response().text();
    assert!(milliseconds(&value) <= after_first, "{value}, {after_first}");
}

#[test]
fn request_start_includes_the_time_in_the_queue() {
    let (application, gate) = held(|request| {
        App::reply(request.head.get("x-request-start").unwrap_or_default().as_bytes())
    });
    let sideman = Settings::before(&application.url()).set("upstream.max_in_flight", "1").start();
    let mut first = ask(&sideman, "/first");
    sideman.until_metric("sideman_upstream_in_flight", &[], 1.0);
    let before = now();
    let mut second = ask(&sideman, "/second");
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    let queued = now();
    gate.open();
    assert_eq!(first.response().status, 200);
    let value = milliseconds(&second.response().text());
    assert!((before..=queued).contains(&value), "{before} {value} {queued}");
}

#[test]
fn request_start_of_a_trusted_proxy_is_kept() {
    let (_application, sideman) = showing("x-request-start", TRUSTED);
    for value in ["t=1700000000123", "1700000000123", "t=1700000000.123", "t=1700000000123456"] {
        assert_eq!(arrived(&sideman, &format!("X-Request-Start: {value}\r\n")), [value]);
    }
}

#[test]
fn invalid_or_forged_request_start_is_replaced() {
    let line = |value: &str| format!("X-Request-Start: {value}\r\n");
    let valid = line("t=1700000000123");
    let underscore = "X_Request_Start: t=1700000000123\r\n".to_owned();
    for (trusted, fields) in [
        ("none", valid.clone()),
        ("none", underscore.clone()),
        (TRUSTED, underscore),
        (TRUSTED, line("")),
        (TRUSTED, line("now")),
        (TRUSTED, line("t=1.2.3")),
        (TRUSTED, valid.repeat(2)),
    ] {
        let (_application, sideman) = showing("x-request-start", trusted);
        let before = now();
        let values = arrived(&sideman, &fields);
        let [value] = &values[..] else { panic!("{trusted} {fields}: {values:?}") };
        assert!(milliseconds(value) >= before, "{trusted} {fields}: {value}");
    }
}

#[test]
fn traceparent_has_the_trace_id_of_the_load_balancer() {
    let (_application, sideman) = showing("traceparent", "none");
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let values = arrived(&sideman, &format!("X-Amzn-Trace-Id: {ROOT}\r\n"));
    let [value] = &values[..] else { panic!("{values:?}") };
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{value}") };
    assert_eq!((version, trace, span.len(), flags), ("00", TRACE, 16, "01"), "{value}");

    let fields = format!("X-Amzn-Trace-Id: {ROOT};Parent=53995c3f42cd8ad8;Sampled=0\r\n");
    assert_eq!(arrived(&sideman, &fields), [format!("00-{TRACE}-53995c3f42cd8ad8-00")]);
    // One that came is kept, and none is invented.
    let fields = format!("X-Amzn-Trace-Id: {ROOT}\r\ntraceparent: {parent}\r\n");
    assert_eq!(arrived(&sideman, &fields), [parent]);
    assert_eq!(arrived(&sideman, ""), Vec::<String>::new());
    assert_eq!(arrived(&sideman, "X-Amzn-Trace-Id: Root=2-x\r\n"), Vec::<String>::new());
}

/// One id is in the load balancer's log, the access log, the error page and the application's traces.
#[test]
fn trace_id_is_in_the_log_and_in_error_pages() {
    let application = App::start(|_| b"nonsense\r\n\r\n".to_vec());
    let sideman = Settings::before(&application.url()).start();
    let root = ROOT.strip_prefix("Root=").unwrap();
    let fields = format!("X-Amzn-Trace-Id: Self=1-a;{ROOT}\r\n");
    let page = sideman.connect().ask("GET", "/page", &fields).text();
    assert!(page.contains(&format!("<br>Trace {root}</small>")), "{page}");
    sideman.log_line("with the trace id", |line| line["trace_id"] == root);

    let fields = format!("{fields}Accept: application/json\r\n");
    let json = sideman.connect().ask("GET", "/json", &fields).json();
    assert_eq!(json["trace_id"], root);

    for odd in ["Root=<script>alert(1)</script>", "Root=\"", "Root="] {
        let fields = format!("X-Amzn-Trace-Id: {odd}\r\n");
        let page = sideman.connect().ask("GET", "/odd", &fields).text();
        assert!(!page.contains("Trace"), "{page}");
    }
}

#[test]
fn server_timing_shows_queue_and_application() {
    const TIMING: &str = "add Server-Timing: queue;dur={queue_ms}, app;dur={upstream_ms}";
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    let (application, gate) = held(|_| App::reply(b"hello"));
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("upstream.max_in_flight", "1")
        .set("route.all.response_headers", TIMING)
        .start();
    let mut first = ask(&sideman, "/first");
    sideman.until_metric("sideman_upstream_in_flight", &[], 1.0);
    let mut second = ask(&sideman, "/second");
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_millis(2) {
        assert_eq!(sideman.get("/static/a.txt").status, 200);
    }
    gate.open();
    let times = |value: &str| -> (f64, f64) {
        let rest = value.strip_prefix("queue;dur=").unwrap();
        let (queue, app) = rest.split_once(", app;dur=").unwrap();
        (queue.parse().unwrap(), app.parse().unwrap())
    };
    let (queue, app) = times(first.response().header("server-timing").unwrap());
    assert!(queue == 0.0 && app >= 2.0, "{queue} {app}");
    let (queue, _) = times(second.response().header("server-timing").unwrap());
    assert!(queue >= 2.0, "{queue}");
    // A file has no time at the application.
    assert_eq!(sideman.get("/static/a.txt").header("server-timing"), None);
}
