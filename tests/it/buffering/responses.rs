//! Responses are read from the application as fast as it writes.

use super::{KEEP_ALIVE, before, kept};
use crate::support::{
    App, Client, Gate, Origin, Sideman, close, eventually, expect, open, pattern, send, wait,
};

const SIZE: usize = 5 << 20;

/// Requests a page, and reads nothing of the response.
fn ask_only(sideman: &Sideman, target: &str) -> Client {
    let mut client = Client::connect_with_small_buffer(sideman.address(), 4096);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    client
}

/// A long response with this framing.
fn long(framing: &str) -> Vec<u8> {
    let mut answer = format!("{KEEP_ALIVE}{framing}\r\n\r\n").into_bytes();
    if framing.starts_with("Content-Length") {
        answer.extend(pattern(SIZE));
        return answer;
    }
    for piece in pattern(SIZE).chunks(30_011) {
        answer.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        answer.extend(piece);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

#[test]
fn client_that_reads_nothing_occupies_no_worker() {
    let length = format!("Content-Length: {SIZE}\r\nConnection: close");
    for framing in [length.as_str(), "Transfer-Encoding: chunked\r\nConnection: close"] {
        let origin = Origin::scripts([
            vec![expect("GET /long "), send(long(framing))],
            vec![expect("GET /next "), send(kept("next"))],
        ]);
        let sideman = before(&origin.url()).start();
        let mut slow = ask_only(&sideman, "/long");
        // Sideman has closed the upstream connection, so the application's worker is free.
        origin.until_closed(1);
        assert_eq!(sideman.get("/next").text(), "next");
        assert_eq!(sideman.metric("sideman_buffer_spilled_total", &[("body", "response")]), 1.0);
        // The kernel buffers some megabytes for a client that does not read.
        assert!(sideman.metric("sideman_buffer_bytes", &[("kind", "disk")]) > 5e5);
        let memory = sideman.metric("sideman_buffer_bytes", &[("kind", "memory")]);
        // buffers.memory_per_body, and as much again for the unused parts of small chunks.
        assert!(memory <= f64::from(512 << 10), "{memory} bytes in memory");
        let response = slow.response();
        assert!(response.status == 200 && response.body == pattern(SIZE), "{framing}");
        for kind in ["disk", "memory"] {
            sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
        }
    }
}

#[test]
fn connection_is_reused_before_the_client_read_the_response() {
    let sent = Gate::new();
    let origin = Origin::script([
        expect("GET /long "),
        send(long(&format!("Content-Length: {SIZE}"))),
        open(&sent),
        expect("GET /next "),
        send(kept("next")),
    ]);
    let sideman = before(&origin.url()).start();
    let mut slow = ask_only(&sideman, "/long");
    sent.pass();
    // The rest in the kernel is read first, and the permit is released with the last byte.
    sideman.until_metric("sideman_upstream_in_flight", &[], 0.0);
    assert_eq!(sideman.metric("sideman_requests_in_flight", &[]), 1.0);
    assert_eq!(sideman.get("/next").text(), "next");
    assert!(slow.response().body == pattern(SIZE));
}

#[test]
fn client_disconnect_ends_the_relay() {
    let sent = Gate::new();
    let origin =
        Origin::script([expect("GET /long "), send(long("Content-Length: 5242880")), open(&sent)]);
    let sideman = before(&origin.url()).start();
    let slow = ask_only(&sideman, "/long");
    sent.pass();
    slow.reset_connection();
    for kind in ["disk", "memory"] {
        sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
    }
    assert_eq!(sideman.log_of("/long")["error"], "client_disconnected");
}

#[test]
fn full_buffers_only_slow_the_response_down() {
    for (key, value) in [("buffers.disk", "0B"), ("buffers.max_response", "0B")] {
        let origin =
            Origin::script([expect("GET /long "), send(long("Transfer-Encoding: chunked"))]);
        let sideman = before(&origin.url()).set(key, value).start();
        let mut slow = ask_only(&sideman, "/long");
        eventually("bytes that wait", || {
            let waiting = sideman.metric("sideman_buffer_bytes", &[("kind", "memory")]);
            // Half of buffers.memory_per_body always fills up; the other half is in flight to the client.
            (waiting >= f64::from(128 << 10)).then_some(())
        });
        assert!(slow.response().body == pattern(SIZE), "{key}");
        assert_eq!(sideman.metric("sideman_buffer_spilled_total", &[("body", "response")]), 0.0);
    }
}

#[test]
fn truncated_response_stays_truncated() {
    // The failure is old from the client's point of view: the whole response waits in the file.
    for (framing, first) in [
        ("Content-Length: 9000000", pattern(SIZE)),
        ("Transfer-Encoding: chunked", [b"500000\r\n", &pattern(SIZE)[..]].concat()),
    ] {
        let closed = Gate::new();
        let origin = Origin::script([
            expect("GET /cut "),
            send(format!("{KEEP_ALIVE}{framing}\r\n\r\n")),
            send(&first),
            open(&closed),
            close(),
        ]);
        let sideman = before(&origin.url()).start();
        let mut slow = ask_only(&sideman, "/cut");
        closed.pass();
        origin.until_closed(1);
        let failure = slow.try_response("GET").unwrap_err().to_string();
        assert!(failure.contains("closed") || failure.contains("reset"), "{failure}");
        assert_eq!(sideman.log_of("/cut")["error"], "upstream_truncated");
    }
}

#[test]
fn short_response_gets_content_length() {
    let chunked = format!(
        "{KEEP_ALIVE}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    );
    let origin = Origin::script([expect("GET / "), send(chunked)]);
    let sideman = before(&origin.url()).start();
    let response = sideman.get("/");
    assert_eq!(response.text(), "hello world");
    assert_eq!(response.header("content-length"), Some("11"), "{response:?}");
}

#[test]
fn streams_are_forwarded_at_once() {
    for fields in ["Content-Type: text/event-stream", "X-Accel-Buffering: no", "X-Plain: yes"] {
        let seen = Gate::new();
        let origin = Origin::script([
            expect("GET / "),
            send(format!("{KEEP_ALIVE}{fields}\r\nTransfer-Encoding: chunked\r\n\r\n")),
            send("5\r\nfirst\r\n"),
            wait(&seen),
            send("5\r\nafter\r\n0\r\n\r\n"),
        ]);
        let sideman = before(&origin.url()).start();
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
        client.until("first");
        seen.open();
        client.until("after");
    }
}

#[test]
fn streams_are_not_read_ahead() {
    // More than the kernel buffers for a client that does not read.
    const BODY_LENGTH: usize = 20 << 20;
    for (fields, rule) in [
        ("Content-Type: text/event-stream; charset=utf-8", "none"),
        ("X-Accel-Buffering: no", "none"),
        ("X-Plain: yes", "response"),
        ("X-Plain: yes", "both"),
    ] {
        let head = format!("{KEEP_ALIVE}{fields}\r\nContent-Length: {BODY_LENGTH}\r\n\r\n");
        let origin = Origin::script([expect("GET / "), send(head), send(pattern(BODY_LENGTH))]);
        let sideman = before(&origin.url()).set("route.all.stream", rule).start();
        let mut slow = ask_only(&sideman, "/");
        // Long enough for a reader to run far ahead.
        for _ in 0..50 {
            sideman.get("/healthz");
        }
        assert_eq!(sideman.metric("sideman_buffer_bytes", &[]), 0.0, "{fields} {rule}");
        assert!(slow.response().body == pattern(BODY_LENGTH), "{fields} {rule}");
        assert_eq!(sideman.metric("sideman_buffer_spilled_total", &[]), 0.0, "{fields} {rule}");
    }
}

#[test]
fn slow_readers_use_at_most_half_of_the_memory() {
    let application = App::start(|request| match request.target() {
        "/up" => App::reply(format!("{}", request.body.len()).as_bytes()),
        _ => long(&format!("Content-Length: {SIZE}")),
    });
    // The clients come through a proxy that does not identify them: one client alone gets less than half.
    let sideman = before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .set("buffers.memory", "1MiB")
        .set("buffers.memory_per_body", "256KiB")
        .set("buffers.disk", "0B")
        .start();
    let readers: Vec<_> = (0..8).map(|_| ask_only(&sideman, "/down")).collect();
    let of_answers = || sideman.metric("sideman_buffer_response_bytes", &[("kind", "memory")]);
    eventually("answers have their half", || (of_answers() > 450e3).then_some(()));
    for _ in 0..10 {
        assert_eq!(sideman.connect().post("/up", "", &pattern(200_000)).text(), "200000");
        let taken = of_answers();
        assert!(taken <= f64::from(512 << 10), "{taken} bytes");
    }
    readers.into_iter().for_each(Client::reset_connection);
    for name in ["sideman_buffer_response_bytes", "sideman_buffer_bytes"] {
        sideman.until_metric(name, &[("kind", "memory")], 0.0);
    }
}
