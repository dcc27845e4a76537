//! Which upstream connections are reused.

use crate::support::{Origin, Step, Way, body, close, expect, send, until_closed};

const KEPT: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nkept";

fn counted(sideman: &crate::support::Sideman) -> (f64, f64, f64) {
    let metric = |name: &str| sideman.metric(&format!("sideman_upstream_{name}_total"), &[]);
    (metric("connections_opened"), metric("connections_reused"), metric("retries"))
}

fn responses(paths: &[&str]) -> Vec<Step> {
    let response = |path: &&str| [expect(&format!("POST {path} ")), body("x"), send(KEPT)];
    paths.iter().flat_map(response).collect()
}

#[test]
fn sequential_requests_reuse_one_connection() {
    const PATHS: [&str; 5] = ["/1", "/2", "/3", "/4", "/5"];
    for way in Way::ALL {
        let scripts = if way.keeps_connections() {
            vec![responses(&PATHS)]
        } else {
            PATHS.iter().map(|path| [responses(&[path]), vec![until_closed()]].concat()).collect()
        };
        let origin = Origin::reached(way, scripts);
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        for path in PATHS {
            assert_eq!(client.post(path, "", b"x").text(), "kept", "{way:?}");
        }
        let expected = if way.keeps_connections() { (1.0, 4.0, 0.0) } else { (5.0, 0.0, 0.0) };
        assert_eq!(counted(&sideman), expected, "{way:?}");
    }
}

/// Like gunicorn's sync worker: it announces the close, and the connection is not reused.
#[test]
fn announced_close_causes_no_failed_attempt() {
    for way in Way::ALL {
        let script = |path| {
            let response = KEPT.replace("keep-alive", "close");
            vec![expect(&format!("POST {path} ")), body("x"), send(response), close()]
        };
        let origin = Origin::reached(way, ["/1", "/2", "/3"].map(script));
        let sideman = origin.settings().start();
        let mut client = sideman.connect();
        for path in ["/1", "/2", "/3"] {
            assert_eq!(client.post(path, "", b"x").text(), "kept", "{way:?}");
        }
        assert_eq!(counted(&sideman), (3.0, 0.0, 0.0), "{way:?}");
    }
}

#[test]
fn idle_upstream_connection_is_closed_at_the_idle_timeout() {
    for way in Way::keeping() {
        let script = vec![expect("GET / "), send(KEPT), until_closed()];
        let origin = Origin::reached(way, [script]);
        let sideman = origin.settings().set("upstream.idle_timeout", "100ms").start();
        assert_eq!(sideman.get("/").text(), "kept", "{way:?}");
        origin.until_closed(1);
    }
}
