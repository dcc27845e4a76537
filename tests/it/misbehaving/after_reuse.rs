//! Closes an idle connection when the next request arrives: no failure if a retry is safe.

use super::check_line;
use crate::support::{
    Client, Gate, Origin, Response, Sideman, Step, Transport, body, close, expect, reset, send,
    wait,
};

const KEEP_ALIVE: &str =
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nkept";

/// A request with a body, if this method has one here.
fn ask(client: &mut Client, method: &str) -> Response {
    let body = text(method);
    let length = body.len();
    client.send(format!(
        "{method} /page HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client.response_to(method)
}

fn text(method: &str) -> &'static str {
    if matches!(method, "PUT" | "POST" | "PATCH") { "order" } else { "" }
}

/// A connection that responds once and closes after it has read this request.
fn dies(method: &str, end: Step) -> Vec<Step> {
    let page = expect(&format!("{method} /page "));
    vec![expect("GET /first "), send(KEEP_ALIVE), page, body(text(method)), end]
}

fn counted(sideman: &Sideman) -> (f64, f64) {
    let metric = |name| sideman.metric(name, &[]);
    (metric("sideman_upstream_connections_reused_total"), metric("sideman_upstream_retries_total"))
}

#[test]
fn safe_request_is_retried() {
    for transport in Transport::with_keep_alive() {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let again =
                vec![expect(&format!("{method} /page ")), body(text(method)), send(KEEP_ALIVE)];
            let origin = Origin::reached(transport, [dies(method, close()), again]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            assert_eq!(client.get("/first").status, 200);
            assert_eq!(ask(&mut client, method).status, 200, "{transport:?} {method}");
            let [_, second, third] = &origin.requests()[..] else { panic!("three requests") };
            assert_eq!(second.head, third.head, "{transport:?}: the same request, its id included");
            check_line(&sideman, 200, None, transport);
            assert_eq!(counted(&sideman), (1.0, 1.0), "{transport:?} {method}");
        }
    }
}

#[test]
fn unsafe_request_is_not_retried() {
    for transport in Transport::with_keep_alive() {
        for (method, end) in [("POST", close()), ("POST", reset()), ("PATCH", close())] {
            let origin = Origin::reached(transport, [dies(method, end)]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            assert_eq!(client.get("/first").status, 200);
            assert_eq!(ask(&mut client, method).status, 502, "{transport:?} {method}");
            check_line(&sideman, 502, Some("upstream_closed"), transport);
            assert_eq!(counted(&sideman), (1.0, 0.0), "{transport:?} {method}");
        }
    }
}

#[test]
fn started_response_is_not_retried() {
    for transport in Transport::with_keep_alive() {
        for begin in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nke"]
        {
            let script = [
                expect("GET /first "),
                send(KEEP_ALIVE),
                expect("GET /page "),
                send(begin),
                close(),
            ];
            let origin = Origin::reached(transport, [script.to_vec()]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            assert_eq!(client.get("/first").status, 200);
            assert_eq!(client.get("/page").status, 502, "{transport:?} {begin:?}");
            assert_eq!(counted(&sideman), (1.0, 0.0), "{transport:?} {begin:?}");
        }
    }
}

/// The retry uses a new connection; if that closes too, the request itself may be the reason.
#[test]
fn lost_request_is_retried_once() {
    for transport in Transport::with_keep_alive() {
        let origin =
            Origin::reached(transport, [dies("GET", close()), vec![expect("GET /page "), close()]]);
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        assert_eq!(client.get("/first").status, 200);
        assert_eq!(client.get("/page").status, 502, "{transport:?}");
        check_line(&sideman, 502, Some("upstream_closed"), transport);
        assert_eq!(counted(&sideman), (1.0, 1.0), "{transport:?}");
    }
}

/// The close was seen in time: even a POST does not notice.
#[test]
fn closed_connection_is_not_reused() {
    for transport in Transport::with_keep_alive() {
        let answered = Gate::new();
        let origin = Origin::reached(
            transport,
            [
                vec![expect("GET /first "), send(KEEP_ALIVE), wait(&answered), close()],
                vec![expect("POST /page "), body("order"), send(KEEP_ALIVE)],
            ],
        );
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        assert_eq!(client.get("/first").status, 200);
        answered.open();
        origin.until_closed(1);
        assert_eq!(ask(&mut client, "POST").status, 200, "{transport:?}");
        check_line(&sideman, 200, None, transport);
        assert_eq!(counted(&sideman), (0.0, 0.0), "{transport:?}");
    }
}
