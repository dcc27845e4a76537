//! `server.body_timeout` and `server.min_body_rate`: one pause, and the sum of all pauses.

use std::time::{Duration, Instant};

use super::{check_408, pass};
use crate::support::{
    App, Client, Http2, Origin, Settings, Sideman, body, close, expect, send, until_closed,
};

const POST: &str = "POST /slow HTTP/1.1\r\nHost: example.test\r\n";

fn before(application: &str, rate: &str) -> Settings {
    Settings::before(application).set("server.body_timeout", "1s").set("server.min_body_rate", rate)
}

/// Begins a body of this length, and sends pieces of it with a pause after each until it is complete or
/// a response arrives.
fn drip(sideman: &Sideman, length: usize, piece: usize, pause: u64) -> Client {
    let mut client = sideman.connect();
    client.send(format!("{POST}Content-Length: {length}\r\n\r\n"));
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    let mut left = length;
    while left > 0 && client.try_send(vec![b'x'; piece.min(left)]).is_ok() {
        left -= piece.min(left);
        pass(pause);
        if sideman.metric("sideman_requests_in_flight", &[]) == 0.0 {
            break;
        }
    }
    client
}

#[test]
fn upload_below_min_rate_gets_408() {
    let application = App::saying("never asked");
    let sideman = before(&application.url(), "1000B").start();
    let begin = Instant::now();
    // Each pause is far below the timeout: the upload would take 50 s.
    let mut client = drip(&sideman, 10_000, 10, 50);
    let waited = begin.elapsed();
    check_408(&client.response(), "too slowly");
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    let line = sideman.log_of("/slow");
    assert_eq!((&line["status"], &line["error"]), (&408.into(), &"client_body_slow".into()));
    sideman.until_metric("sideman_errors_total", &[("error", "client_body_slow")], 1.0);
    assert_eq!(application.requests(), 0);
    // The rate was low because of the client, not the program.
    assert_eq!(sideman.get("/next").text(), "never asked");
}

#[test]
fn slow_upload_above_min_rate_is_served() {
    let application = App::start(|request| App::reply(request.body.len().to_string().as_bytes()));
    for rate in ["20B", "off"] {
        let sideman = before(&application.url(), rate).start();
        // Twice the time that it would have without a minimum rate.
        let mut client = drip(&sideman, 400, 10, 50);
        assert_eq!(client.response().text(), "400", "{rate}");
    }
}

#[test]
fn upload_that_pauses_gets_408() {
    let application = App::saying("never asked");
    let sideman = before(&application.url(), "off").start();
    for framing in
        ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
    {
        let begin = Instant::now();
        let mut client = sideman.connect();
        check_408(&client.send(format!("{POST}{framing}")).response(), "paused for too long");
        assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    }
    sideman.until_metric("sideman_errors_total", &[("error", "client_body_timeout")], 2.0);
    assert_eq!(application.requests(), 0);
}

#[test]
fn unbuffered_body_has_the_same_limits() {
    let head = || expect("POST /slow ");
    let origin = Origin::scripts([
        vec![head(), until_closed()],
        vec![head(), until_closed()],
        vec![
            head(),
            body("xxxx"),
            send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
            close(),
        ],
    ]);
    let sideman = before(&origin.url(), "1000B")
        .set("route.all.stream", "request")
        // The body belongs to an unbuffered request, and the client reads nothing.
        .set("upstream.read_timeout", "400ms")
        .start();
    let mut client = drip(&sideman, 10_000, 10, 50);
    check_408(&client.response(), "too slowly");
    let mut client = sideman.connect();
    client.send(format!("{POST}Content-Length: 100000\r\n\r\n")).send(vec![b'x'; 99_999]);
    check_408(&client.response(), "paused for too long");
    let mut client = sideman.connect();
    client.send(format!("{POST}Content-Length: 4\r\n\r\nxx"));
    pass(800);
    assert_eq!(client.send("xx").response().text(), "hello");
}

#[test]
fn slow_http2_upload_fails_without_the_other_streams() {
    let application = App::saying("hello");
    let sideman = before(&application.url(), "1000B").start();
    let mut client = Http2::connect(sideman.address());
    let slow = client.open(&crate::support::http2::usual("POST", "/slow", &[]), false);
    let begin = Instant::now();
    while !client.peek(slow).is_over() && begin.elapsed() < Duration::from_secs(15) {
        client.data(slow, b"0123456789", false);
        pass(50);
        client.settle();
    }
    let answer = client.response(slow);
    assert!(answer.status == 408 && answer.text().contains("too slowly"), "{answer:?}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(application.requests(), 1);
}
