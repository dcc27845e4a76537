//! What `/metrics` counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    App, Gate, Origin, ReservedPort, Settings, Sideman, TempDir, close, eventually, eventually_is,
    expect, send, wait,
};

const REQUESTS: &str = "sideman_requests_total";

fn start(application: &str) -> (TempDir, Sideman) {
    let directory = TempDir::new();
    directory.write("a.css", "a{}");
    let settings = Settings::before(application).files("/static/", directory.path());
    (directory, settings.start().until_ready())
}

#[test]
fn requests_are_counted_by_route_method_and_class() {
    let application = App::start(|request| match request.target() {
        "/missing" => {
            b"HTTP/1.1 404 Not Found\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n".into()
        }
        "/moved" => b"HTTP/1.1 302 Found\r\nConnection: keep-alive\r\nLocation: /\r\n\
                      Content-Length: 0\r\n\r\n"
            .into(),
        "/broken" => {
            b"HTTP/1.1 500 Oh\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n".into()
        }
        _ => App::reply(b"hello"),
    });
    let (_directory, sideman) = start(&application.url());
    let mut client = sideman.connect();
    for (method, target, times) in [
        ("GET", "/", 3),
        ("HEAD", "/static/a.css", 2),
        ("GET", "/static/a.css", 4),
        ("GET", "/static/none", 1),
        ("PUT", "/static/a.css", 1),
        ("DELETE", "/", 1),
        ("GET", "/missing", 2),
        ("GET", "/moved", 1),
        ("GET", "/broken", 1),
    ] {
        for _ in 0..times {
            client.ask(method, target, "");
        }
    }
    client.post("/", "", b"body");
    for (route, method, class, count) in [
        ("proxy", "GET", "2xx", 3.0),
        ("proxy", "GET", "3xx", 1.0),
        ("proxy", "GET", "4xx", 2.0),
        ("proxy", "GET", "5xx", 1.0),
        ("proxy", "POST", "2xx", 1.0),
        ("proxy", "DELETE", "2xx", 1.0),
        ("static", "GET", "2xx", 4.0),
        ("static", "HEAD", "2xx", 2.0),
        ("static", "GET", "4xx", 1.0),
        ("static", "PUT", "4xx", 1.0),
    ] {
        let labels = [("route", route), ("method", method), ("status", class)];
        sideman.until_metric(REQUESTS, &labels, count);
    }
    assert!(sideman.metric(REQUESTS, &[("route", "health"), ("status", "2xx")]) >= 1.0);
    for (route, count) in [("proxy", 9.0), ("static", 8.0)] {
        let name = "sideman_request_duration_seconds_count";
        assert_eq!(sideman.metric(name, &[("route", route)]), count, "{route}");
    }
    assert_eq!(sideman.metric("sideman_upstream_first_byte_seconds_count", &[]), 9.0);
}

#[test]
fn clients_cannot_create_series() {
    let application = App::saying("hello");
    let (_directory, sideman) = start(&application.url());
    let mut client = sideman.connect();
    for number in 0..20 {
        assert_eq!(client.ask(&format!("MADEUP{number}"), "/", "").text(), "hello");
    }
    let text = sideman.admin_get("/metrics").text();
    assert!(!text.contains("MADEUP"), "{text}");
    sideman.until_metric(REQUESTS, &[("route", "proxy")], 20.0);
}

#[test]
fn histograms_add_up() {
    let gate = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        crate::support::pause(std::time::Duration::from_millis(120)),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"),
        wait(&gate),
        send("0\r\n\r\n"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start().until_ready();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
    client.head();
    // The head has arrived, the response is not complete.
    let first_byte = "sideman_upstream_first_byte_seconds";
    sideman.until_metric(&format!("{first_byte}_count"), &[], 1.0);
    let duration = "sideman_request_duration_seconds";
    assert_eq!(sideman.metric(&format!("{duration}_count"), &[("route", "proxy")]), 0.0);
    gate.open();
    client.until_closed();
    sideman.until_metric(&format!("{duration}_count"), &[("route", "proxy")], 1.0);
    for name in [first_byte, duration] {
        let labels: &[_] = if name == duration { &[("route", "proxy")] } else { &[] };
        let sum = sideman.metric(&format!("{name}_sum"), labels);
        assert!((0.12..20.0).contains(&sum), "{name}: {sum}");
        let bucket = |le| {
            let labels: Vec<_> = labels.iter().copied().chain([("le", le)]).collect();
            sideman.metric(&format!("{name}_bucket"), &labels)
        };
        assert_eq!(bucket("+Inf"), 1.0, "{name}");
    }
}

#[test]
fn in_flight_gauges_rise_and_fall() {
    let gate = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        wait(&gate),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut clients: Vec<_> = (0..3).map(|_| sideman.connect()).collect();
    sideman.until_metric("sideman_client_connections", &[], 3.0);
    clients[0].send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    gate.open();
    assert_eq!(clients[0].response().text(), "ok");
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    drop(clients);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

#[test]
fn abandoned_request_is_not_in_flight() {
    let gone = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        crate::support::until_closed(),
        crate::support::open(&gone),
    ]);
    let sideman = Settings::before(&origin.url()).set("upstream.abort", "true").start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    // The request is in flight before it is forwarded.
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    origin.request(0);
    client.reset_connection();
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
    gone.pass();
}

#[test]
fn upstream_connections_are_counted() {
    let application = App::saying("hello");
    let settings = Settings::before(&application.url()).set("server.workers", "1");
    let sideman = settings.set("upstream.idle_timeout", "1m").start();
    let mut client = sideman.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "hello");
    }
    assert_eq!(sideman.metric("sideman_upstream_connections_reused_total", &[]), 4.0);
    // Health probes of the application are connections, too.
    assert!(sideman.metric("sideman_upstream_connections_opened_total", &[]) >= 1.0);

    let away = ReservedPort::new();
    let sideman = Settings::before(&away.url()).start();
    assert_eq!(sideman.get("/").status, 502);
    assert!(sideman.metric("sideman_upstream_connections_failed_total", &[]) >= 1.0);
    assert_eq!(sideman.metric("sideman_upstream_connections_reused_total", &[]), 0.0);
}

#[test]
fn bytes_are_counted_in_both_directions() {
    let application = App::start(|_| App::reply(&[b'x'; 100_000]));
    let (_directory, sideman) = start(&application.url());
    let value = |name| sideman.metric(name, &[]);
    let (received, sent) =
        (value("sideman_received_bytes_total"), value("sideman_sent_bytes_total"));
    let mut client = sideman.connect();
    assert_eq!(client.post("/", "", &[b'x'; 50_000]).body.len(), 100_000);
    // The client may read the last bytes before they are counted.
    let sent = eventually("the last write to be counted", || {
        Some(value("sideman_sent_bytes_total") - sent).filter(|sent| *sent >= 100_000.0)
    });
    let received = value("sideman_received_bytes_total") - received;
    assert!((50_000.0..52_000.0).contains(&received), "{received}");
    assert!(sent < 102_000.0, "{sent}");
}

#[test]
fn the_file_store_counts_hits_and_misses() {
    let application = App::saying("hello");
    let directory = TempDir::new();
    directory.write("a.css", "a{}");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.check_interval", "1h")
        .start();
    let mut client = sideman.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/static/a.css").text(), "a{}");
    }
    sideman.until_metric("sideman_file_store_hits_total", &[], 4.0);
    sideman.until_metric("sideman_file_store_misses_total", &[], 1.0);
}

#[test]
fn phase_and_build_are_reported() {
    let application = App::saying("hello");
    let (_directory, sideman) = start(&application.url());
    for (phase, value) in [("starting", 0.0), ("ready", 1.0), ("draining", 0.0), ("stopped", 0.0)] {
        assert_eq!(sideman.metric("sideman_phase", &[("phase", phase)]), value, "{phase}");
    }
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(sideman.metric("sideman_build_info", &version), 1.0);
    assert_eq!(sideman.metric("sideman_access_log_dropped_total", &[]), 0.0);
}

#[test]
fn the_exposition_is_well_formed() {
    let application = App::saying("hello");
    let (_directory, sideman) = start(&application.url());
    sideman.get("/");
    sideman.get("/static/a.css");
    let response = sideman.admin_get("/metrics");
    assert_eq!(response.status, 200);
    let kind = response.header("content-type").unwrap_or_default();
    let is_open = kind.starts_with("application/openmetrics-text");
    assert!(is_open || kind.starts_with("text/plain"), "{kind}");
    let text = response.text();
    assert_eq!(text.ends_with("# EOF\n"), is_open, "the end of OpenMetrics");

    let described = |word: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("# {word} ")));
        lines.filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.into(), b.into())).collect()
    };
    let (types, helps) = (described("TYPE"), described("HELP"));
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
        assert!(seen.insert(series.to_owned()), "twice: {series}");
        let name = series.split('{').next().unwrap();
        assert!(name.starts_with("sideman_") || name.starts_with("process_"), "{name}");
        let family = ["_total", "_bucket", "_sum", "_count", "_info"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix).filter(|name| types.contains_key(*name)))
            .unwrap_or(name);
        assert!(types.contains_key(family), "no type: {family}");
        assert!(helps.get(family).is_some_and(|help| help.len() > 10), "no help: {family}");
    }
    assert!(seen.len() > 20, "{text}");
}

#[test]
fn metrics_are_not_served_to_clients() {
    let application = App::saying("from the application");
    let (_directory, sideman) = start(&application.url());
    assert_eq!(sideman.get("/metrics").text(), "from the application");
    assert_eq!(sideman.admin_get("/nothing").status, 404);
}

#[test]
fn metrics_are_served_before_the_application_starts() {
    let away = ReservedPort::new();
    let sideman = Settings::before(&away.url()).start();
    eventually_is("the phase", &1.0, || sideman.metric("sideman_phase", &[("phase", "starting")]));
}
