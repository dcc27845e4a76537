//! Which upstream connections are reused.

use crate::support::{Origin, Step, Transport, body, close, expect, send, until_closed};

const KEEP_ALIVE: &str =
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nkept";

fn counted(sideman: &crate::support::Sideman) -> (f64, f64, f64) {
    let metric = |name: &str| sideman.metric(&format!("sideman_upstream_{name}_total"), &[]);
    (metric("connections_opened"), metric("connections_reused"), metric("retries"))
}

fn responses(paths: &[&str]) -> Vec<Step> {
    let response = |path: &&str| [expect(&format!("POST {path} ")), body("x"), send(KEEP_ALIVE)];
    paths.iter().flat_map(response).collect()
}

#[test]
fn sequential_requests_reuse_one_connection() {
    const PATHS: [&str; 5] = ["/1", "/2", "/3", "/4", "/5"];
    for transport in Transport::ALL {
        let scripts = if transport.keeps_connections() {
            vec![responses(&PATHS)]
        } else {
            PATHS.iter().map(|path| [responses(&[path]), vec![until_closed()]].concat()).collect()
        };
        let origin = Origin::reached(transport, scripts);
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        for path in PATHS {
            assert_eq!(client.post(path, "", b"x").text(), "kept", "{transport:?}");
        }
        let expected =
            if transport.keeps_connections() { (1.0, 4.0, 0.0) } else { (5.0, 0.0, 0.0) };
        assert_eq!(counted(&sideman), expected, "{transport:?}");
    }
}

/// Like gunicorn's sync worker: it announces the close, and the connection is not reused.
#[test]
fn announced_close_causes_no_failed_attempt() {
    for transport in Transport::ALL {
        let script = |path| {
            let response = KEEP_ALIVE.replace("keep-alive", "close");
            vec![expect(&format!("POST {path} ")), body("x"), send(response), close()]
        };
        let origin = Origin::reached(transport, ["/1", "/2", "/3"].map(script));
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        for path in ["/1", "/2", "/3"] {
            assert_eq!(client.post(path, "", b"x").text(), "kept", "{transport:?}");
        }
        assert_eq!(counted(&sideman), (3.0, 0.0, 0.0), "{transport:?}");
    }
}

#[test]
fn idle_upstream_connection_is_closed_at_the_idle_timeout() {
    for transport in Transport::with_keep_alive() {
        let script = vec![expect("GET / "), send(KEEP_ALIVE), until_closed()];
        let origin = Origin::reached(transport, [script]);
        let sideman = origin.settings().set("upstream.idle_timeout", "100ms").start();
        assert_eq!(sideman.get("/").text(), "kept", "{transport:?}");
        origin.until_closed(1);
    }
}
