//! Closes an idle connection when the next request arrives: no failure if a retry is safe.

use super::check_line;
use crate::support::{
    Client, Gate, Origin, Response, Sideman, Step, Way, body, close, expect, reset, send, wait,
};

const KEPT: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nkept";

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
    vec![expect("GET /first "), send(KEPT), page, body(text(method)), end]
}

fn counted(sideman: &Sideman) -> (f64, f64) {
    let metric = |name| sideman.metric(name, &[]);
    (metric("sideman_upstream_connections_reused_total"), metric("sideman_upstream_retries_total"))
}

#[test]
fn safe_request_is_retried() {
    for way in Way::keeping() {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            let again = vec![expect(&format!("{method} /page ")), body(text(method)), send(KEPT)];
            let origin = Origin::reached(way, [dies(method, close()), again]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            assert_eq!(client.get("/first").status, 200);
            assert_eq!(ask(&mut client, method).status, 200, "{way:?} {method}");
            let [_, second, third] = &origin.requests()[..] else { panic!("three requests") };
            assert_eq!(second.head, third.head, "{way:?}: the same request, its id included");
            check_line(&sideman, 200, None, way);
            assert_eq!(counted(&sideman), (1.0, 1.0), "{way:?} {method}");
        }
    }
}

#[test]
fn unsafe_request_is_not_retried() {
    for way in Way::keeping() {
        for (method, end) in [("POST", close()), ("POST", reset()), ("PATCH", close())] {
            let origin = Origin::reached(way, [dies(method, end)]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            assert_eq!(client.get("/first").status, 200);
            assert_eq!(ask(&mut client, method).status, 502, "{way:?} {method}");
            check_line(&sideman, 502, Some("upstream_closed"), way);
            assert_eq!(counted(&sideman), (1.0, 0.0), "{way:?} {method}");
        }
    }
}

#[test]
fn started_response_is_not_retried() {
    for way in Way::keeping() {
        for begin in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nke"]
        {
            let script =
                [expect("GET /first "), send(KEPT), expect("GET /page "), send(begin), close()];
            let origin = Origin::reached(way, [script.to_vec()]);
            let sideman = origin.settings().start();
            let mut client = sideman.connect();
            assert_eq!(client.get("/first").status, 200);
            assert_eq!(client.get("/page").status, 502, "{way:?} {begin:?}");
            assert_eq!(counted(&sideman), (1.0, 0.0), "{way:?} {begin:?}");
        }
    }
}

/// The retry uses a new connection; if that closes too, the request itself may be the reason.
#[test]
fn lost_request_is_retried_once() {
    for way in Way::keeping() {
        let origin =
            Origin::reached(way, [dies("GET", close()), vec![expect("GET /page "), close()]]);
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        assert_eq!(client.get("/first").status, 200);
        assert_eq!(client.get("/page").status, 502, "{way:?}");
        check_line(&sideman, 502, Some("upstream_closed"), way);
        assert_eq!(counted(&sideman), (1.0, 1.0), "{way:?}");
    }
}

/// The close was seen in time: even a POST does not notice.
#[test]
fn closed_connection_is_not_reused() {
    for way in Way::keeping() {
        let answered = Gate::new();
        let origin = Origin::reached(
            way,
            [
                vec![expect("GET /first "), send(KEPT), wait(&answered), close()],
                vec![expect("POST /page "), body("order"), send(KEPT)],
            ],
        );
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        assert_eq!(client.get("/first").status, 200);
        answered.open();
        origin.until_closed(1);
        assert_eq!(ask(&mut client, "POST").status, 200, "{way:?}");
        check_line(&sideman, 200, None, way);
        assert_eq!(counted(&sideman), (0.0, 0.0), "{way:?}");
    }
}
