//! Idle connections that the application has closed meanwhile: this failure is hidden from the client,
//! because a retry is safe.

use crate::support::{
    Gate, Origin, Settings, Sideman, Step, Transport, body, close, expect, open, reset, send, wait,
};

/// A response after which the connection may be reused.
fn kept(text: &str) -> String {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: {length}\r\n\r\n{text}")
}

/// One worker: its pool has the connection of the first request.
fn start(origin: &Origin) -> Sideman {
    Settings::before(&origin.url()).set("server.workers", "1").start()
}

#[test]
fn request_lost_on_an_idle_connection_is_retried() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        for end in [close(), reset()] {
            let second = format!("{method} /2 ");
            let origin = Origin::scripts([
                vec![expect("GET /1 "), send(kept("one")), expect(&second), end],
                vec![expect(&second), send(kept("two")), close()],
            ]);
            let sideman = start(&origin);
            let mut client = sideman.connect();
            assert_eq!(client.get("/1").text(), "one");
            assert_eq!(client.ask(method, "/2", "").status, 200, "{method}");
            let heads: Vec<_> = origin.requests().into_iter().map(|request| request.head).collect();
            assert_eq!(heads.len(), 3);
            assert_eq!(heads[1], heads[2], "the same request, its id included");
            let line = sideman.log_of("/2");
            assert_eq!((&line["status"], &line["error"]), (&200.into(), &serde_json::Value::Null));
        }
    }
}

#[test]
fn lost_request_is_retried_once() {
    let origin = Origin::scripts([
        vec![expect("GET /1 "), send(kept("one")), expect("GET /2 "), close()],
        vec![expect("GET /2 "), close()],
    ]);
    let sideman = start(&origin);
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "one");
    assert_eq!(client.get("/2").status, 502);
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn unsafe_request_is_not_retried() {
    let origin = Origin::script([
        expect("GET /1 "),
        send(kept("one")),
        expect("POST /2 "),
        body("order"),
        close(),
    ]);
    let sideman = start(&origin);
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "one");
    assert_eq!(client.post("/2", "", b"order").status, 502);
}

#[test]
fn started_response_is_not_retried() {
    let origin = Origin::script([
        expect("GET /1 "),
        send(kept("one")),
        expect("GET /2 "),
        send("HTTP/1.1 200 OK\r\n"),
        close(),
    ]);
    let sideman = start(&origin);
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "one");
    assert_eq!(client.get("/2").status, 502);
}

#[test]
fn closed_connection_is_not_reused() {
    // Like uWSGI after every response, unannounced: even a POST must succeed.
    let answered = Gate::new();
    let origin = Origin::scripts([
        vec![expect("GET /1 "), send(kept("one")), wait(&answered), close()],
        vec![expect("POST /2 "), body("order"), send(kept("two"))],
    ]);
    let sideman = start(&origin);
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "one");
    answered.open();
    origin.until_closed(1);
    assert_eq!(client.post("/2", "", b"order").text(), "two");
}

/// The end of a worker that has accepted a connection and not read from it.
fn unread() -> Vec<Step> {
    // A script begins when the first byte can be read.
    vec![close()]
}

#[test]
fn unread_request_is_retried() {
    for transport in Transport::ALL {
        for (method, fields) in
            [("GET", ""), ("HEAD", ""), ("OPTIONS", ""), ("GET", "Content-Length: 0\r\n")]
        {
            let answered = vec![expect(&format!("{method} /1 ")), send(kept("ok")), close()];
            let origin = Origin::reached(transport, [unread(), unread(), answered]);
            let sideman = origin.settings().start();
            let response = sideman.connect().ask(method, "/1", fields);
            assert_eq!(response.status, 200, "{transport:?} {method}: {}", response.text());
            assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 2.0);
            assert_eq!(sideman.log_of("/1")["error"], serde_json::Value::Null);
        }
    }
}

#[test]
fn unread_request_after_a_closed_idle_connection_is_retried() {
    let origin = Origin::scripts([
        vec![expect("GET /1 "), send(kept("one")), expect("GET /2 "), close()],
        unread(),
        vec![expect("GET /2 "), send(kept("two")), close()],
    ]);
    let sideman = start(&origin);
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "one");
    assert_eq!(client.get("/2").text(), "two");
}

#[test]
fn retries_end() {
    // A reset after reading cannot be distinguished from one before it.
    let resets = || vec![expect("GET /1 "), reset()];
    for transport in Transport::ALL {
        // A unix socket has no reset of bytes that were read.
        let scripts: &[fn() -> Vec<Step>] =
            if transport.is_unix { &[unread] } else { &[unread, resets] };
        for script in scripts {
            let origin = Origin::reached(transport, (0..5).map(|_| script()));
            let sideman = origin.settings().start();
            assert_eq!(sideman.get("/1").status, 502, "{transport:?}");
            assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 4.0);
            assert_eq!(sideman.log_of("/1")["error"], "upstream_closed");
        }
    }
}

#[test]
fn restarting_workers_do_not_eject_their_server() {
    let (asked, answer) = ([(); 2].map(|()| Gate::new()), Gate::new());
    let origins = asked.each_ref().map(|asked| {
        let last = vec![expect("GET "), open(asked), wait(&answer), send(kept("ok")), close()];
        Origin::scripts([unread(), unread(), unread(), last])
    });
    let [first, second] = origins.each_ref().map(Origin::url);
    let settings = Settings::before(&first).args(&["--upstream", &second]);
    let sideman = settings.set("server.workers", "1").start();
    let mut clients = [sideman.connect(), sideman.connect()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    }
    // One attempt at each.
    asked.iter().for_each(Gate::pass);
    answer.open();
    assert!(clients.iter_mut().all(|client| client.response().text() == "ok"));
    assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 0.0);
    assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 6.0);
}

#[test]
fn request_that_may_have_begun_is_not_retried() {
    // An application may act on a part of a body. And a proxy in between may have reset the connection: only
    // safe requests are retried then.
    for (method, fields, order) in [
        ("POST", "", ""),
        ("POST", "Content-Length: 5\r\n", "order"),
        ("PUT", "Content-Length: 5\r\n", "order"),
        ("PUT", "", ""),
        ("DELETE", "", ""),
        ("GET", "Content-Length: 5\r\n", "order"),
    ] {
        let origin = Origin::scripts([unread()]);
        let sideman = start(&origin);
        let mut client = sideman.connect();
        client.send(format!("{method} /1 HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n{order}"));
        assert_eq!(client.response().status, 502, "{method} {fields}");
        assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 0.0);
    }
}
