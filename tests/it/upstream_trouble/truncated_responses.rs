//! Responses that end too early or too late: a client must notice.

use crate::support::{
    Client, Gate, Origin, Settings, Step, close, expect, open, reset, send, until_closed, wait,
};

const KEEP_ALIVE: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n";

/// The client gets the beginning of the response, and its connection ends before the end of it.
#[track_caller]
fn check_cut(framing: &str, begin: &str, end: impl IntoIterator<Item = Step>) {
    let seen = Gate::new();
    let steps =
        [expect("GET /page "), send(format!("{KEEP_ALIVE}{framing}\r\n\r\n{begin}")), wait(&seen)];
    let origin = Origin::script(steps.into_iter().chain(end));
    let sideman = Settings::before(&origin.url()).set("upstream.read_timeout", "500ms").start();
    let mut client = Client::connect(sideman.address());
    client.send("GET /page HTTP/1.1\r\nHost: example.test\r\n\r\n");
    let head = client.until("first");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    seen.open();
    let rest = String::from_utf8(client.until_gone()).unwrap();
    assert!(!rest.contains("0\r\n\r\n"), "a clean end: {rest:?}");
    assert!(!rest.contains("HTTP/1.1"), "a second answer: {rest:?}");
    let line = sideman.log_of("/page");
    assert!(line["error"].as_str().is_some_and(|slug| !slug.is_empty()), "{line}");
}

// Long, because a short response may be read from the application as a whole.
const LENGTH: &str = "Content-Length: 1000000";

#[test]
fn closes_before_the_length_is_reached() {
    check_cut(LENGTH, "first", [close()]);
}

#[test]
fn resets_before_the_length_is_reached() {
    check_cut(LENGTH, "first", [reset()]);
}

#[test]
fn stalls_before_the_length_is_reached() {
    check_cut(LENGTH, "first", [until_closed()]);
}

#[test]
fn closes_before_the_last_chunk() {
    check_cut("Transfer-Encoding: chunked", "5\r\nfirst\r\n", [close()]);
}

#[test]
fn closes_within_a_chunk() {
    check_cut("Transfer-Encoding: chunked", "ff\r\nfirst", [close()]);
}

#[test]
fn resets_before_the_last_chunk() {
    check_cut("Transfer-Encoding: chunked", "5\r\nfirst\r\n", [reset()]);
}

#[test]
fn stalls_before_the_last_chunk() {
    check_cut("Transfer-Encoding: chunked", "5\r\nfirst\r\n", [until_closed()]);
}

#[test]
fn sends_a_chunk_without_a_size() {
    check_cut("Transfer-Encoding: chunked", "5\r\nfirst\r\n", [send("zz\r\n"), until_closed()]);
}

#[test]
fn sends_a_chunk_longer_than_its_size() {
    check_cut(
        "Transfer-Encoding: chunked",
        "5\r\nfirst\r\n",
        [send("1\r\nabc\r\n"), until_closed()],
    );
}

#[test]
fn reset_of_a_response_delimited_by_close_is_an_error() {
    check_cut("X-No: framing", "first", [reset()]);
}

#[test]
fn truncated_response_is_reset_for_http_1_0_clients() {
    // For HTTP/1.0 the end of the connection is the end of the response: only a reset differs.
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    for (end, is_cut) in [("5\r\nagain\r\n", true), ("5\r\nagain\r\n0\r\n\r\n", false)] {
        let seen = Gate::new();
        let begin = send(format!("{KEEP_ALIVE}{chunked}5\r\nfirst\r\n"));
        let steps = [expect("GET /page "), begin, wait(&seen), send(end), close()];
        let origin = Origin::script(steps);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        client.send("GET /page HTTP/1.0\r\nHost: example.test\r\n\r\n").until("first");
        seen.open();
        if is_cut {
            client.until_reset();
        } else {
            assert_eq!(client.until_closed(), b"again");
        }
        assert_eq!(sideman.log_of("/page")["error"].is_string(), is_cut);
    }
}

#[test]
fn response_aborted_by_shutdown_is_recognised_as_truncated() {
    let origin = Origin::script([
        expect("GET /page "),
        send(format!("{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")),
        until_closed(),
    ]);
    let sideman = Settings::before(&origin.url()).set("shutdown.timeout", "100ms").start();
    let mut client = sideman.connect();
    client.send("GET /page HTTP/1.0\r\nHost: example.test\r\n\r\n").until("first");
    assert_eq!(sideman.shut_down().0, Some(3));
    client.until_reset();
}

#[test]
fn truncated_short_response_is_an_error() {
    // Either nothing was forwarded yet and it is 502, or the response ends before its length.
    let origin = Origin::script([
        expect("GET / "),
        send(format!("{KEEP_ALIVE}Content-Length: 10\r\n\r\nfirst")),
        close(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
    if let Ok(response) = client.try_response("GET") {
        assert_eq!(response.status, 502, "{response:?}");
    }
    assert!(sideman.log_of("/")["error"].is_string());
}

#[test]
fn sends_more_than_its_length() {
    let done = Gate::new();
    let extra = "helloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let origin = Origin::scripts([
        vec![
            expect("GET /1 "),
            send(format!("{KEEP_ALIVE}Content-Length: 5\r\n\r\n{extra}")),
            // The connection is not reused.
            until_closed(),
            open(&done),
        ],
        vec![
            expect("GET /2 "),
            send(format!("{KEEP_ALIVE}Content-Length: 4\r\n\r\ngood")),
            close(),
        ],
    ]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "hello");
    assert_eq!(client.get("/2").text(), "good");
    done.pass();
}

#[test]
fn sends_a_body_where_none_may_be() {
    for (method, head) in [
        ("HEAD", format!("{KEEP_ALIVE}Content-Length: 4\r\n\r\n")),
        ("GET", "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n".to_owned()),
        ("GET", "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\n\r\n".to_owned()),
    ] {
        let origin = Origin::scripts([
            vec![expect(&format!("{method} /1 ")), send(format!("{head}evil")), until_closed()],
            vec![
                expect("GET /2 "),
                send(format!("{KEEP_ALIVE}Content-Length: 4\r\n\r\ngood")),
                close(),
            ],
        ]);
        let sideman = Settings::before(&origin.url()).start();
        let mut client = sideman.connect();
        assert!(client.ask(method, "/1", "").body.is_empty(), "{method} {head}");
        assert_eq!(client.get("/2").text(), "good", "{method} {head}");
    }
}

#[test]
fn bytes_after_the_response_are_refused() {
    // Too late for the response, and before the next request: such a connection must not be reused.
    let late = Gate::new();
    let sent = Gate::new();
    let origin = Origin::scripts([
        vec![
            expect("GET /1 "),
            send(format!("{KEEP_ALIVE}Content-Length: 5\r\n\r\nhello")),
            wait(&late),
            send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil"),
            open(&sent),
            until_closed(),
        ],
        vec![
            expect("GET /2 "),
            send(format!("{KEEP_ALIVE}Content-Length: 4\r\n\r\ngood")),
            close(),
        ],
    ]);
    let sideman = Settings::before(&origin.url()).set("server.workers", "1").start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/1").text(), "hello");
    late.open();
    sent.pass();
    assert_eq!(client.get("/2").text(), "good");
}
