//! Applications that misbehave, each file in one way, over every transport and protocol: the response at the
//! client, the log line, the metrics, and that no connection or permit leaks.

mod after_reuse;
mod byte_by_byte;
mod closes_at_once;
mod huge_head;
mod mid_body;
mod mid_head;
mod never_reads;
mod never_responds;
mod responds_before_reading;
mod sends_garbage;
mod sends_too_much;

use crate::support::{
    Client, Gate, Origin, Response, Settings, Sideman, Step, Transport, close, expect, send, wait,
};

/// A response that closes its connection, if that is not the default of the protocol.
const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast";

/// The visible result of a failure.
#[derive(Clone, Copy, Debug)]
struct Failure {
    status: u16,
    error: &'static str,
}

const CLOSED: Failure = Failure { status: 502, error: "upstream_closed" };
const TRUNCATED: Failure = Failure { status: 502, error: "upstream_truncated" };
const GARBAGE: Failure = Failure { status: 502, error: "upstream_invalid_response" };
const TOO_LARGE: Failure = Failure { status: 502, error: "upstream_head_too_large" };
const SILENT: Failure = Failure { status: 504, error: "upstream_read_timeout" };

/// One GET over each transport to an application that does this with the connection once it has the head.
#[track_caller]
fn check_get(failure: Failure, steps: &[Step]) {
    for transport in Transport::ALL {
        check(transport, failure, [&[expect("GET /page ")], steps].concat(), |client| {
            client.get("/page")
        });
    }
}

/// Like `check_get`, for any request for `/page`.
#[track_caller]
fn check(
    transport: Transport,
    failure: Failure,
    script: Vec<Step>,
    ask: impl FnOnce(&mut Client) -> Response,
) {
    let origin = Origin::reached(transport, [script, next()]);
    let sideman = settings(&origin).start();
    let mut client = sideman.connect();
    let response = ask(&mut client);
    check_failure(&sideman, failure, &response, transport);
    // The client did nothing wrong, and keeps its connection.
    assert_eq!(client.get("/next").text(), "last", "{transport:?}");
    check_left(&origin, &sideman, 2);
}

/// The client gets the beginning, and then its connection ends before the end of the response.
#[track_caller]
fn check_cut(begin: &str, end: &Step, error: &'static str) {
    check_cut_over(&Transport::ALL, begin, end, error);
}

#[track_caller]
fn check_cut_over(ways: &[Transport], begin: &str, end: &Step, error: &'static str) {
    for &transport in ways {
        let seen = Gate::new();
        let head = "HTTP/1.1 200 OK\r\nX-From: application\r\n";
        let origin = Origin::reached(
            transport,
            [
                vec![
                    expect("GET /page "),
                    send(format!("{head}{begin}")),
                    wait(&seen),
                    end.clone(),
                ],
                next(),
            ],
        );
        let sideman = settings(&origin).start();
        let mut client = sideman.connect();
        client.send("GET /page HTTP/1.1\r\nHost: example.test\r\n\r\n");
        let head = client.until("first");
        assert!(head.starts_with("HTTP/1.1 200 "), "{transport:?}: {head}");
        seen.open();
        let rest = String::from_utf8(client.until_gone()).unwrap();
        assert!(!rest.contains("0\r\n\r\n"), "{transport:?}: a clean end: {rest:?}");
        assert!(!rest.contains("HTTP/1.1"), "{transport:?}: a second answer: {rest:?}");
        check_line(&sideman, 200, Some(error), transport);
        assert_eq!(sideman.get("/next").text(), "last", "{transport:?}");
        check_left(&origin, &sideman, 2);
    }
}

/// The application may be silent for 300 ms, and the in-flight limit is 1: a leaked permit would block the
/// next request.
fn settings(origin: &Origin) -> Settings {
    origin
        .settings()
        .set("upstream.read_timeout", "300ms")
        .set("upstream.max_in_flight", "1")
        .set("upstream.queue_timeout", "5s")
}

/// The steps of an application for the next request.
fn next() -> Vec<Step> {
    vec![expect("GET /next "), send(LAST), close()]
}

/// An error page without details, a log line with the reason, and one failure counted.
#[track_caller]
fn check_failure(sideman: &Sideman, failure: Failure, response: &Response, transport: Transport) {
    let Failure { status, error } = failure;
    assert_eq!(response.status, status, "{transport:?}: {}", response.text());
    assert!(response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(!response.text().contains("app.sock") && !response.text().contains("127.0.0.1"));
    check_line(sideman, status, Some(error), transport);
    let labels = [("route", "proxy"), ("status", "5xx")];
    assert_eq!(sideman.metric("sideman_requests_total", &labels), 1.0, "{transport:?}");
}

/// The log line of `/page`, and the metrics.
#[track_caller]
fn check_line(sideman: &Sideman, status: u16, error: Option<&str>, transport: Transport) {
    let line = sideman.log_of("/page");
    assert_eq!((&line["status"], &line["route"]), (&status.into(), &"proxy".into()), "{line}");
    assert_eq!(line["error"].as_str(), error, "{transport:?}: {line}");
    match error {
        Some(error) => {
            for labels in [&[][..], &[("error", error)]] {
                assert_eq!(
                    sideman.metric("sideman_errors_total", labels),
                    1.0,
                    "{transport:?} {labels:?}"
                );
            }
        }
        None => {
            assert_eq!(sideman.metric("sideman_errors_total", &[]), 0.0, "{transport:?}");
        }
    }
}

/// This many connections were opened and are closed; nothing is queued or in flight, and nothing was sent twice.
#[track_caller]
fn check_left(origin: &Origin, sideman: &Sideman, connections: usize) {
    origin.until_closed(connections);
    for gauge in
        ["sideman_upstream_in_flight", "sideman_requests_in_flight", "sideman_buffer_bytes"]
    {
        sideman.until_metric(gauge, &[], 0.0);
    }
    assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 0.0);
}
