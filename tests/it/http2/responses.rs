//! Request heads at the application, and responses at the client.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use super::connect;
use crate::support::{
    App, Gate, Origin, Settings, close, expect, http2::frame::code, open, pattern, send,
    until_closed, wait,
};

#[test]
fn page_is_served_and_logged() {
    let origin = Origin::script([
        expect("GET /a%20b/?x=1&y=%22 HTTP/1.1"),
        send(
            "HTTP/1.1 201 Created\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Transfer-Encoding: chunked\r\nX-Kept: Yes\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n",
        ),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let fields = [
        ("x-request-id", "the-id"),
        ("user-agent", "tester/1.0"),
        ("te", "trailers"),
        ("cookie", "a=1"),
        ("x-own", "one"),
        ("cookie", "b=2"),
        ("x-own", "two"),
        ("cookie", "c=3"),
        ("x_forged", "no"),
    ];
    let stream = client.ask("GET", "/a%20b/?x=1&y=%22", &fields);
    let response = client.response(stream);
    assert_eq!((response.status, response.text().as_str()), (201, "hello"));
    for name in ["connection", "keep-alive", "transfer-encoding", "x-hop", "upgrade"] {
        assert_eq!(response.header(name), None, "{name}: {response:?}");
    }
    assert_eq!(response.header("x-kept"), Some("Yes"));
    let cookies = response.fields.iter().filter(|(name, _)| name == "set-cookie").count();
    assert_eq!(cookies, 2);

    let request = origin.request(0);
    let head = &request.head;
    assert_eq!(head.get("host"), Some("example.test"));
    assert_eq!(head.get("cookie"), Some("a=1; b=2; c=3"));
    assert_eq!(head.all("x-own"), ["one", "two"]);
    assert_eq!(head.get("x-forwarded-proto"), Some("http"));
    assert_eq!(head.get("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(head.get("x-request-id"), Some("the-id"));
    for name in ["te", "x_forged", "transfer-encoding", "content-length"] {
        assert!(!head.has(name), "{name}: {head:?}");
    }
    assert!(!head.fields.iter().any(|(name, _)| name.starts_with(':')), "{head:?}");

    let line = sideman.log_line("with the id", |line| line["request_id"] == "the-id");
    for (key, expected) in [
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("host", "example.test"),
        ("path", "/a%20b/"),
        ("query", "x=1&y=%22"),
        ("route", "proxy"),
        ("user_agent", "tester/1.0"),
    ] {
        assert_eq!(line[key], expected, "{key} in {line}");
    }
    assert_eq!((&line["status"], &line["bytes"]), (&201.into(), &5.into()));
    assert_eq!(line["error"], serde_json::Value::Null);
    let labels = [("route", "proxy"), ("method", "GET"), ("status", "2xx")];
    sideman.until_metric("sideman_requests_total", &labels, 1.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_client_connections", &[], 1.0);
}

#[test]
fn concurrent_requests_get_their_own_responses() {
    let gate = Gate::new();
    let waiting = Arc::<Mutex<BTreeSet<String>>>::default();
    let seen = Arc::clone(&waiting);
    let application = App::start(move |request| {
        let target = request.target().to_owned();
        let is_last = {
            let mut seen = seen.lock().unwrap();
            seen.insert(target.clone());
            seen.len() == 32
        };
        if is_last {
            gate.open();
        }
        gate.pass();
        let number: usize = target.trim_start_matches('/').parse().unwrap();
        App::reply(&pattern(100_000 + number))
    });
    let sideman = Settings::before(&application.url()).set("upstream.max_in_flight", "40").start();
    let mut client = connect(&sideman);
    let streams: Vec<u32> =
        (0..32).map(|number| client.ask("GET", &format!("/{number}"), &[])).collect();
    for (number, stream) in streams.iter().enumerate() {
        let response = client.response(*stream);
        assert_eq!((response.status, response.reset), (200, None));
        assert!(response.body == pattern(100_000 + number), "{number}");
    }
    let order: Vec<u32> = client.order.iter().copied().collect();
    let turns = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns > 64, "one after the other: {order:?}");
    assert_eq!(waiting.lock().unwrap().len(), 32);
}

#[test]
fn http2_requests_wait_for_permits() {
    let gate = Gate::new();
    let passed = gate.clone();
    let application = App::start(move |request| {
        passed.pass();
        App::reply(request.target().as_bytes())
    });
    let sideman = Settings::before(&application.url())
        .set("upstream.max_in_flight", "2")
        .set("upstream.queue", "3")
        .start();
    let mut client = connect(&sideman);
    let streams: Vec<u32> =
        (0..5).map(|number| client.ask("GET", &format!("/{number}"), &[])).collect();
    sideman.until_metric("sideman_queue_length", &[], 3.0);
    let refused = client.ask("GET", "/no", &[]);
    let response = client.response(refused);
    assert_eq!((response.status, response.header("retry-after").is_some()), (503, true));
    // A request that is reset in the queue never reaches the application.
    client.reset(streams[4], code::CANCEL);
    sideman.until_metric("sideman_queue_length", &[], 2.0);
    let line = sideman.log_of("/4");
    assert_eq!((&line["status"], &line["error"]), (&499.into(), &"client_disconnected".into()));
    sideman.until_metric("sideman_abandoned_total", &[("where", "queue")], 1.0);
    gate.open();
    for (number, stream) in streams[..4].iter().enumerate() {
        assert_eq!(client.response(*stream).text(), format!("/{number}"));
    }
    assert_eq!(application.requests(), 4);
}

#[test]
fn client_reset_is_noticed() {
    for aborts in ["true", "false"] {
        let (asked, response, gone) = (Gate::new(), Gate::new(), Gate::new());
        let last = if aborts == "true" { vec![until_closed()] } else { vec![wait(&response)] };
        let mut script = vec![expect("GET /left "), open(&asked)];
        script.extend(last);
        script.extend([open(&gone), close()]);
        let origin = Origin::script(script);
        let sideman = Settings::before(&origin.url()).set("upstream.abort", aborts).start();
        let mut client = connect(&sideman);
        let stream = client.ask("GET", "/left", &[]);
        asked.pass();
        client.reset(stream, code::CANCEL);
        let line = sideman.log_of("/left");
        assert_eq!((&line["status"], &line["error"]), (&499.into(), &"client_disconnected".into()));
        let labels = [("where", "application")];
        sideman.until_metric("sideman_abandoned_total", &labels, 1.0);
        sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
        response.open();
        gone.pass();
        // The connection of the other requests.
        client.settle();
    }
}

#[test]
fn lost_connection_cancels_its_requests() {
    let (asked, gone) = (Gate::new(), Gate::new());
    let script = || vec![expect("GET /lost "), open(&asked), until_closed(), open(&gone)];
    let origin = Origin::script(script());
    let sideman = Settings::before(&origin.url()).set("upstream.abort", "true").start();
    let mut client = connect(&sideman);
    client.ask("GET", "/lost", &[]);
    asked.pass();
    client.reset_connection();
    let line = sideman.log_of("/lost");
    assert_eq!((&line["status"], &line["error"]), (&499.into(), &"client_disconnected".into()));
    gone.pass();
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    sideman.until_metric("sideman_client_connections", &[], 0.0);
}

#[test]
fn client_reset_during_the_response_is_noticed() {
    let rest = Gate::new();
    let origin = Origin::script([
        expect("GET /half "),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 200000\r\n\r\nfirst"),
        wait(&rest),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let stream = client.ask("GET", "/half", &[]);
    client.until("its beginning", |client| client.peek(stream).body == b"first");
    client.reset(stream, code::CANCEL);
    let line = sideman.log_of("/half");
    assert_eq!((&line["status"], &line["error"]), (&200.into(), &"client_disconnected".into()));
    rest.open();
    client.settle();
}

#[test]
fn aborted_response_resets_only_its_stream() {
    let seen = Gate::new();
    let origin = Origin::scripts([
        vec![
            expect("GET /cut "),
            send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\nfirst"),
            wait(&seen),
            close(),
        ],
        vec![
            expect("GET /whole "),
            send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
            close(),
        ],
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let stream = client.ask("GET", "/cut", &[]);
    client.until("its beginning", |client| client.peek(stream).body == b"first");
    seen.open();
    let response = client.response(stream);
    assert!(response.reset.is_some() && !response.is_complete, "{response:?}");
    let line = sideman.log_of("/cut");
    assert_eq!(line["error"], "upstream_truncated", "{line}");
    assert_eq!(client.get("/whole").text(), "hello");
}

/// Every HTTP/2 client can separate trailers from the head (RFC 9113, 8.1), so none has to request them.
#[test]
fn allowed_trailers_are_forwarded() {
    let trailed = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
                   Trailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 12\r\nSet-Cookie: a=b\r\n\r\n";
    let script = || vec![expect("GET / "), send(trailed), close()];
    let origin = Origin::scripts([script(), script()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    for fields in [&[("te", "trailers")][..], &[]] {
        let stream = client.ask("GET", "/", fields);
        let response = client.response(stream);
        assert_eq!((response.text().as_str(), response.reset), ("hello", None));
        assert_eq!(response.trailers, Some(vec![("x-sum".to_owned(), "12".to_owned())]));
    }
}

#[test]
fn responses_to_head_and_without_a_body() {
    let origin = Origin::scripts([
        vec![
            expect("HEAD / "),
            send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"),
            close(),
        ],
        vec![
            expect("GET /304 "),
            send("HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"a\"\r\n\r\n"),
            close(),
        ],
        vec![
            expect("GET /204 "),
            // Like Django sends it.
            send("HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            close(),
        ],
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let stream = client.ask("HEAD", "/", &[]);
    let response = client.response(stream);
    assert_eq!((response.status, response.header("content-length")), (200, Some("5")));
    assert!(response.body.is_empty() && response.reset.is_none());
    for status in [304, 204] {
        let response = client.get(&format!("/{status}"));
        assert_eq!((response.status, response.body.len(), response.reset), (status, 0, None));
        // RFC 9110, 8.6.
        assert_eq!(response.header("content-length"), None, "{status}");
        assert_eq!(sideman.log_of(&format!("/{status}"))["error"], serde_json::Value::Null);
    }
}

#[test]
fn events_are_streamed_at_once() {
    let more = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"),
        send("data: 1\n\n"),
        wait(&more),
        send("data: 2\n\n"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let stream = client.ask("GET", "/", &[]);
    client.until("the first", |client| client.peek(stream).body == b"data: 1\n\n");
    more.open();
    assert_eq!(client.response(stream).text(), "data: 1\n\ndata: 2\n\n");
}

#[test]
fn version_is_logged() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).set("log.access", "combined").start();
    assert_eq!(connect(&sideman).get("/a?b").text(), "hello");
    let line = sideman.out_line("/a?b");
    assert!(line.contains("\"GET /a?b HTTP/2.0\" 200 5 "), "{line}");
}

/// RFC 8297: hints are forwarded before the response; fields that are not for clients are removed.
#[test]
fn early_hints_are_passed_on() {
    let (hinted, gate) = (Gate::new(), Gate::new());
    let origin = Origin::script([
        expect("GET /a "),
        send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\n",
        ),
        send("X-Accel-Redirect: /secret\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n"),
        open(&hinted),
        wait(&gate),
        send("HTTP/1.1 103 Early Hints\r\nLink: </c.js>; rel=preload\r\n\r\n"),
        send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        expect("GET /b "),
        send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = connect(&sideman);
    let stream = client.ask("GET", "/a", &[]);
    hinted.pass();
    client.until("hints", |client| client.peek(stream).interim == [103]);
    let fields = client.peek(stream).interim_fields;
    let own: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(own, [":status", "link", "link"]);
    gate.open();
    let response = client.response(stream);
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(response.interim, [103, 103]);
    assert_eq!(response.header("link"), None);
    // Hints belong to their request only.
    assert_eq!(client.get("/b").interim, [0; 0]);
}

/// Hints that wait for a client are limited: the response repeats their content.
#[test]
fn early_hints_over_the_limit_are_dropped() {
    let hint = format!("HTTP/1.1 103 Early Hints\r\nX-Hint: {}\r\n\r\n", "h".repeat(4000));
    let origin = Origin::script([
        expect("GET /a "),
        send(hint.repeat(100)),
        send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let response = connect(&sideman).get("/a");
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(response.interim, [103; 8]);
}

/// RFC 9110, 15.2: all except `100 Continue`, which is about the upstream connection.
#[test]
fn other_interim_responses_are_passed_on() {
    let interim = ["100 Continue", "102 Processing", "104 Upload Resumption Supported", "199 Mine"]
        .map(|status| format!("HTTP/1.1 {status}\r\nX-Interim: a\r\n\r\n"));
    let origin = Origin::script([
        expect("GET /a "),
        send(interim.concat()),
        send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let response = connect(&sideman).get("/a");
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(response.interim, [102, 104, 199]);
}
