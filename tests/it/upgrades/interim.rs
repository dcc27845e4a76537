//! Interim responses (RFC 9110, 15.2), and events that are forwarded one by one.

use std::time::{Duration, Instant};

use crate::support::{Gate, Origin, Settings, Step, expect, open, send, wait};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\
                     Connection: X-Mine\r\nX-Mine: 1\r\nX-Accel-Redirect: /secret\r\n\
                     Content-Length: 5\r\n\r\n";
const PASSED: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn early_hints_are_sent_at_once() {
    for cache in ["off", "16MiB"] {
        let seen = Gate::new();
        let origin = Origin::script([
            expect("GET /first "),
            send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"),
            send(HINTS),
            wait(&seen),
            send(HINTS.replace("a.css", "b.css")),
            send(OK),
            expect("GET /next "),
            send(format!("{HINTS}{OK}")),
        ]);
        let sideman = Settings::before(&origin.url()).set("cache.memory", cache).start();
        let mut client = sideman.connect();
        client.send("GET /first HTTP/1.1\r\nHost: example.test\r\n\r\n");
        // Not `100 Continue`, which is about the upstream connection.
        assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 102 Processing\r\n\r\n");
        assert_eq!(client.until("\r\n\r\n"), PASSED);
        seen.open();
        assert_eq!(client.until("\r\n\r\n"), PASSED.replace("a.css", "b.css"));
        let response = client.response();
        assert_eq!(
            (response.status, response.interim.len(), response.text().as_str()),
            (200, 0, "hello")
        );
        // The next response on the same connection is whole, and sent at once.
        let response = client.get("/next");
        assert_eq!((response.interim, response.body), (vec![103], b"hello".to_vec()));
        let line = sideman.log_of("/first");
        assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &5.into()));
    }
}

#[test]
fn http_1_0_clients_get_no_early_hints() {
    let origin = Origin::script([expect("GET / "), send(HINTS), send(OK)]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    let all = String::from_utf8(client.until_closed()).unwrap();
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") && all.ends_with("hello"), "{all}");
    // Digits alone may be those of the request's id.
    assert!(!all.contains(" 103 "), "{all}");
}

#[test]
fn early_hints_of_a_pipelined_request_keep_their_order() {
    let steps = |path: &str| [expect(path), send(HINTS), send(OK)];
    let origin = Origin::script(["GET /1 ", "GET /2 ", "GET /3 "].into_iter().flat_map(steps));
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    let requests =
        ["/1", "/2", "/3"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    client.send(requests.concat());
    for path in ["/1", "/2", "/3"] {
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, "hello"), "{path}");
        // A hint that would be out of order is dropped.
        assert!(response.interim.iter().all(|&status| status == 103), "{path}: {response:?}");
    }
}

#[test]
fn too_many_early_hints_are_dropped() {
    let long = HINTS.replace("rel=preload", &"x".repeat(20_000));
    let flood = Step::Send(long.repeat(100).into_bytes());
    let origin = Origin::script([expect("GET / "), flood, send(OK)]);
    let sideman = Settings::before(&origin.url()).start();
    let response = sideman.get("/");
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert!(response.interim.iter().all(|&status| status == 103));
}

#[test]
fn client_that_expects_100_gets_early_hints_too() {
    let origin =
        Origin::script([expect("POST / "), send(HINTS), crate::support::body("body"), send(OK)]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("POST / HTTP/1.1\r\nHost: example.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    client.until("HTTP/1.1 100 Continue\r\n\r\n");
    let response = client.send("body").response();
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
}

#[test]
fn each_event_is_forwarded_at_once() {
    const EVENTS: usize = 50;
    let gates: Vec<(Gate, Gate)> = (0..EVENTS).map(|_| (Gate::new(), Gate::new())).collect();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let mut steps = vec![expect("GET /events "), send(head)];
    for (number, (next, sent)) in gates.iter().enumerate() {
        let event = format!("data: {number:04}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        steps.extend([wait(next), send(chunk), open(sent)]);
    }
    steps.push(send("0\r\n\r\n"));
    let origin = Origin::script(steps);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET /events HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert_eq!(client.head().status(), Ok(200));
    let mut times = Vec::new();
    for (number, (next, sent)) in gates.iter().enumerate() {
        next.open();
        sent.pass();
        let begin = Instant::now();
        client.until(&format!("data: {number:04}\n\n"));
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    // About a tenth of a millisecond on an idle machine. A timer on the path would delay most of them,
    // a busy machine delays some.
    let quarter = times[EVENTS / 4];
    assert!(quarter < Duration::from_millis(20), "{quarter:?}, most {:?}", times[EVENTS - 1]);
}
