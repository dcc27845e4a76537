//! Requests that arrive in pieces, pipelined, and before another protocol: their boundaries do not
//! depend on the segments.

use super::apps::{Application, Seen};
use crate::support::Origin;
use crate::support::{App, Gate, Settings, Step, eventually_is, expect, open, receive, send, wait};

const REQUESTS: &str = "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody\
    \r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nbo\r\n2\r\ndy\r\n0\r\nX: y\r\n\r\n\
    GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn requests_in_pieces_of_any_size_are_parsed_alike() {
    for application in [Application::http(), Application::uwsgi()] {
        let sideman = Settings::before(&application.url()).start();
        let port = sideman.address().port();
        let expected: Vec<String> = [
            Seen::of("POST /1").body("body"),
            Seen::of("POST /2").body("body"),
            Seen::of("GET /3"),
        ]
        .iter()
        .map(|seen| application.expected(seen, port))
        .collect();
        for size in [1, 2, 3, 7, 40, 1000] {
            let mut client = sideman.connect();
            for piece in REQUESTS.as_bytes().chunks(size) {
                client.send(piece);
            }
            for _ in 0..3 {
                assert_eq!(client.response().status, 200, "{size}");
            }
            assert_eq!(application.take(), expected, "{size}");
        }
    }
}

/// Requests before a refused one get their responses first.
#[test]
fn refusal_follows_earlier_responses() {
    let gate = Gate::new();
    let script: Vec<Step> = vec![
        expect("GET /1 "),
        wait(&gate),
        send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"),
    ];
    let origin = Origin::script(script);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET /3",
    );
    origin.request(0);
    gate.open();
    assert_eq!(client.response().text(), "first");
    let second = client.response();
    assert_eq!((second.status, second.closes()), (400, true));
    assert!(client.until_closed().is_empty());
    assert_eq!(sideman.log_of("/2")["error"], "field_invalid");
}

/// hyper has to be told of more than 100 fields, which happens between two requests.
#[test]
fn many_headers_of_a_pipelined_request_are_accepted() {
    let application = App::start(|request| {
        let fields = request.head.fields.iter().filter(|(name, _)| name.starts_with("x-a")).count();
        let answer = format!("{} {fields} {}", request.target(), request.body.len());
        App::reply(&[answer.as_bytes(), &vec![b' '; 300_000]].concat())
    });
    let sideman = Settings::before(&application.url()).start();
    let fields: String = (0..150).map(|index| format!("X-A{index}: b\r\n")).collect();
    let wide = |target: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: 4\r\n\r\nbody")
    };
    let narrow = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    for size in [1, 100, 100_000] {
        let mut client = sideman.connect();
        let all = [narrow("/1"), wide("/2"), narrow("/3"), wide("/4")].concat();
        for piece in all.as_bytes().chunks(size) {
            client.send(piece);
        }
        for expected in ["/1 0 0", "/2 150 4", "/3 0 0", "/4 150 4"] {
            let response = client.response();
            assert_eq!((response.status, response.text().trim_end()), (200, expected), "{size}");
        }
    }
}

/// A body that is refused in the middle: the application gets none of it, because it gets only whole bodies.
#[test]
fn body_that_becomes_malformed_is_refused() {
    let application = Application::http();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n");
    eventually_is("a request in flight", &1.0, || {
        sideman.metric("sideman_requests_in_flight", &[])
    });
    client.send("4\nbody\r\n0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.closes()), (400, true));
    assert_eq!(application.take(), Vec::<String>::new());
}

const HANDSHAKE: &str =
    "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// Bytes after a WebSocket request are not HTTP, unless the application refuses the upgrade.
#[test]
fn bytes_after_an_upgrade_are_not_a_request() {
    let (gate, done) = (Gate::new(), Gate::new());
    let origin = Origin::script([
        expect("GET /socket "),
        wait(&gate),
        send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
        receive("GET / HTTP/9.9\r\n\x01early"),
        open(&done),
        crate::support::close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(format!("{HANDSHAKE}GET / HTTP/9.9\r\n"));
    origin.request(0);
    client.send("\x01early");
    gate.open();
    client.until("101 Switching Protocols");
    done.pass();

    let gate = Gate::new();
    let for_answer = gate.clone();
    let application = App::start(move |request| {
        if request.target() == "/socket" {
            for_answer.pass();
        }
        App::reply(request.target().as_bytes())
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    client.send(format!("{HANDSHAKE}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    eventually_is("a request in flight", &1.0, || {
        sideman.metric("sideman_requests_in_flight", &[])
    });
    client.send("GET /refused HTTP/1.1\r\nHost: a\n\r\n");
    gate.open();
    assert_eq!(client.response().text(), "/socket");
    assert_eq!(client.response().text(), "/next");
    assert_eq!(client.response().status, 400);
    assert!(client.until_closed().is_empty());
    assert_eq!(application.requests(), 2);
}
