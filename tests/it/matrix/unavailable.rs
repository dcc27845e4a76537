//! An application that is unavailable, starts, stops and starts again.

use std::{sync::Arc, thread, time::Duration};

use crate::support::{
    Client, Gate, Origin, ReservedAddress, Settings, Sideman, Transport, body, close, expect, open,
    send, wait,
};

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

fn patient(reserved: &ReservedAddress) -> Settings {
    reserved.settings().set("upstream.wait", "15s")
}

/// Sends a request without waiting for the response.
fn ask(sideman: &Sideman, method: &str, body: &str) -> Client {
    let (mut client, length) = (sideman.connect(), body.len());
    client.send(format!(
        "{method} /page HTTP/1.1\r\nHost: example.test\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client
}

#[track_caller]
fn until_waiting(sideman: &Sideman, count: f64) {
    sideman.until_metric("sideman_queue_length", &[], count);
}

#[test]
fn without_wait_unavailable_application_is_502_at_once() {
    for transport in Transport::ALL {
        let reserved = ReservedAddress::new(transport);
        let sideman = reserved.settings().start();
        for method in ["GET", "POST"] {
            assert_eq!(ask(&sideman, method, "").response().status, 502, "{transport:?}");
        }
        let line = sideman.log_of("/page");
        assert_eq!((&line["status"], &line["error"]), (&502.into(), &"upstream_refused".into()));
        let refused = sideman.metric("sideman_errors_total", &[("error", "upstream_refused")]);
        assert_eq!(refused, 2.0, "{transport:?}");
    }
}

/// With any method: no byte was sent.
#[test]
fn requests_wait_until_the_application_accepts() {
    for transport in Transport::ALL {
        let reserved = Arc::new(ReservedAddress::new(transport));
        let sideman = patient(&reserved).start();
        let mut get = ask(&sideman, "GET", "");
        until_waiting(&sideman, 1.0);
        let scripts = || {
            let get = vec![expect("GET /page "), send(OK), close()];
            let post = vec![expect("POST /page "), body("order"), send(OK), close()];
            [get, post]
        };
        let [first, second] = scripts();
        let origin = Origin::at(&reserved, [first]);
        assert_eq!(get.response().text(), "ok", "{transport:?}");
        origin.until_closed(1);
        drop(origin);

        // The application stops again after it was available.
        let mut post = ask(&sideman, "POST", "order");
        until_waiting(&sideman, 1.0);
        let _origin = Origin::at(&reserved, [second]);
        assert_eq!(post.response().text(), "ok", "{transport:?}");
        assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 0.0, "{transport:?}");
        assert!(
            sideman.log_line("a POST", |line| line["method"] == "POST")["queue_ms"].is_number()
        );
    }
}

/// Killed during a request: a safe request is retried at the next process, an unsafe one is not.
#[test]
fn only_safe_requests_of_a_killed_application_are_retried() {
    for transport in Transport::ALL {
        for (method, is_safe) in [("GET", true), ("POST", false), ("DELETE", false)] {
            let reserved = Arc::new(ReservedAddress::new(transport));
            let sideman = patient(&reserved).start();
            let (came, killed) = (Gate::new(), Gate::new());
            let request = || vec![expect(&format!("{method} /page ")), body("")];
            let script = [request(), vec![open(&came), wait(&killed), close()]].concat();
            let origin = Origin::at(&reserved, [script]);
            let mut client = ask(&sideman, method, "");
            came.pass();
            origin.stop_listening();
            killed.open();
            if is_safe {
                until_waiting(&sideman, 1.0);
                drop(origin);
                let _origin =
                    Origin::at(&reserved, [[request(), vec![send(OK), close()]].concat()]);
                assert_eq!(client.response().text(), "ok", "{transport:?} {method}");
                assert_eq!(
                    sideman.metric("sideman_upstream_retries_total", &[]),
                    1.0,
                    "{transport:?}"
                );
            } else {
                assert_eq!(client.response().status, 502, "{transport:?} {method}");
                assert_eq!(
                    sideman.log_of("/page")["error"],
                    "upstream_closed",
                    "{transport:?} {method}"
                );
                assert_eq!(
                    sideman.metric("sideman_upstream_retries_total", &[]),
                    0.0,
                    "{transport:?}"
                );
            }
        }
    }
}

/// On a busy machine the last of its processes ends some time after the first.
#[test]
fn safe_request_accepted_by_a_dying_process_is_retried() {
    for transport in Transport::ALL {
        let reserved = Arc::new(ReservedAddress::new(transport));
        let sideman = patient(&reserved).start();
        let begin = || expect("GET /page ");
        let origin = Origin::at(&reserved, [vec![begin(), close()]]);
        let mut client = ask(&sideman, "GET", "");
        origin.until_closed(1);
        thread::sleep(Duration::from_millis(60));
        origin.stop_listening();
        until_waiting(&sideman, 1.0);
        drop(origin);
        let _origin = Origin::at(&reserved, [vec![begin(), send(OK), close()]]);
        assert_eq!(client.response().text(), "ok", "{transport:?}");
        assert_eq!(sideman.metric("sideman_upstream_retries_total", &[]), 1.0, "{transport:?}");
    }
}
