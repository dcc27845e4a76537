//! Streaming: every response, and the requests of unbuffered routes.

use super::{KEEP_ALIVE, kept};
use crate::support::{
    App, Gate, Origin, Settings, TempDir, close, expect, half_close, open, receive, send,
    until_closed, wait,
};

#[test]
fn unbuffered_response_is_streamed() {
    let long = format!("{}after", "x".repeat(999_990));
    let long = long.as_str();
    for (framing, first, last) in [
        // Long: a short complete response may be read from the application as a whole.
        ("Content-Length: 1000000\r\n", "first", long),
        ("Transfer-Encoding: chunked\r\n", "5\r\nfirst\r\n", "5\r\nafter\r\n0\r\n\r\n"),
        ("Connection: close\r\n", "first", "after"),
        ("Content-Type: text/event-stream\r\n", "first", "after"),
    ] {
        let seen = Gate::new();
        let origin = Origin::script([
            expect("GET / "),
            send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n")),
            send(first),
            wait(&seen),
            send(last),
            half_close(),
            until_closed(),
        ]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
        client.until("first");
        seen.open();
        let rest = String::from_utf8(client.until_closed()).unwrap();
        assert!(rest.contains("after"), "{framing}: {rest}");
    }
}

#[test]
fn response_head_is_sent_before_the_body() {
    let seen = Gate::new();
    let origin = Origin::script([
        expect("GET / "),
        send(format!("{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n")),
        wait(&seen),
        send("4\r\nbody\r\n0\r\n\r\n"),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert_eq!(client.head().status(), Ok(200));
    seen.open();
    client.until("body");
}

#[test]
fn unbuffered_upload_is_streamed() {
    for (framing, first, last) in [
        ("Content-Length: 10", "first", "after"),
        ("Transfer-Encoding: chunked", "5\r\nfirst\r\n", "5\r\nafter\r\n0\r\n\r\n"),
    ] {
        let arrived = Gate::new();
        let origin = Origin::script([
            expect("POST / "),
            receive("first"),
            open(&arrived),
            receive("after"),
            send(kept("done")),
            close(),
        ]);
        let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
        let mut client = sideman.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: example.test\r\n{framing}\r\n\r\n{first}"));
        arrived.pass();
        assert_eq!(client.send(last).response().text(), "done", "{framing}");
    }
}

#[test]
fn client_that_expects_100_gets_it_from_sideman() {
    let origin = Origin::script([
        expect("POST / "),
        crate::support::body("body"),
        send(kept("done")),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("body").response().text(), "done");
    assert!(!origin.request(0).head.has("expect"));
}

#[test]
fn interim_responses_are_not_final() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    ] {
        let origin = Origin::script([
            expect("GET /1 "),
            send(interim),
            send(kept("one")),
            expect("GET /2 "),
            send(kept("two")),
        ]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        let response = client.get("/1");
        assert_eq!((response.status, response.text().as_str()), (200, "one"), "{interim}");
        assert!(!response.interim.contains(&100), "nobody expected 100: {response:?}");
        assert!(!response.head.has("link"), "{interim}");
        assert_eq!(client.get("/2").text(), "two");
    }
}

#[test]
fn response_may_precede_the_end_of_the_upload() {
    // The application refuses an upload that it has not read; the client must get the reason.
    let origin = Origin::script([
        expect("POST / "),
        send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"),
        send("too large"),
        half_close(),
        until_closed(),
    ]);
    let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
    let mut client = sideman.connect();
    client.send("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 4000000\r\n\r\nsome");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "too large"));
}

#[test]
fn client_that_sends_first_gets_the_refusal() {
    // Closing with unread bytes would reset the connection and lose the response (RFC 9112, 9.6).
    let application = App::saying("never asked");
    let directory = TempDir::new();
    directory.write("a.css", "a{}");
    let sideman = Settings::before(&application.url()).files("/static/", directory.path()).start();
    let mut client = sideman.connect();
    client.send(
        "POST /static/a.css HTTP/1.1\r\nHost: example.test\r\nContent-Length: 300000\r\n\r\n",
    );
    for _ in 0..30 {
        client.send([b'x'; 10_000]);
    }
    assert_eq!(client.response().status, 405);
}

#[test]
fn upload_continues_during_its_response() {
    let (half, rest) = (Gate::new(), Gate::new());
    let origin = Origin::script([
        expect("POST / "),
        receive("one"),
        send(format!("{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n3\r\nONE\r\n")),
        wait(&half),
        receive("two"),
        send("3\r\nTWO\r\n0\r\n\r\n"),
        open(&rest),
    ]);
    let sideman = Settings::before(&origin.url()).set("route.all.stream", "request").start();
    let mut client = sideman.connect();
    client.send("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 6\r\n\r\none");
    client.until("ONE");
    half.open();
    client.send("two").until("TWO");
    rest.pass();
}
