//! An auth server that is unavailable, slow or broken: no request passes, and nothing is held.

use super::{AuthServer, guarded, response};
use crate::support::{
    App, Gate, Origin, Protocol, ReservedAddress, Settings, Sideman, Step, Transport, close,
    expect, flood, open, send, until_closed,
};

/// Responds 200 at the application, which no request may reach.
fn start(auth: &str, more: &[(&str, &str)]) -> (App, Sideman) {
    let application = App::saying("application");
    let sideman = guarded(&application, &format!("{auth}/check")).route("all", more).start();
    (application, sideman)
}

#[track_caller]
fn fails(application: &App, sideman: &Sideman, status: u16, error: &str) {
    assert_eq!(sideman.get("/a").status, status);
    assert_eq!(sideman.log_of("/a")["error"], error);
    assert_eq!(application.requests(), 0);
}

fn ok() -> Vec<u8> {
    response("200 OK", "", "")
}

#[test]
fn unavailable_auth_server_fails_requests_until_it_is_there() {
    for is_unix in [false, true] {
        let place = std::sync::Arc::new(ReservedAddress::new(Transport {
            protocol: Protocol::Http,
            is_unix,
        }));
        let url = if is_unix { format!("{}:", place.url()) } else { place.url() };
        let (application, sideman) = start(&url, &[]);
        fails(&application, &sideman, 502, "auth_server_failed");
        let event = sideman.event("request failed at the auth server");
        assert!(event.contains("upstream_refused") && event.contains("route=\"all\""), "{event}");
        let _auth = Origin::at(&place, [vec![expect("GET /check HTTP/1.1"), send(ok())]]);
        crate::support::eventually("a request that passes", || {
            (sideman.get("/b").text() == "application").then_some(())
        });
    }
}

#[test]
fn slow_auth_server_fails_requests_after_its_timeout() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n";
    for begin in ["", "HTTP/1.1 2", head, &format!("{head}\r\nx")] {
        let left = Gate::new();
        let script = [expect("GET /check "), send(begin), until_closed(), open(&left)];
        let origin = Origin::script(script);
        let (application, sideman) = start(&origin.url(), &[("auth_timeout", "200ms")]);
        fails(&application, &sideman, 504, "auth_server_timeout");
        sideman.until_metric("sideman_errors_total", &[("error", "auth_server_timeout")], 1.0);
        // The connection is closed, not kept for a response that nobody waits for.
        left.pass();
    }
}

#[test]
fn broken_responses_fail_requests() {
    let head = "HTTP/1.1 200 OK\r\n";
    let scripts: [Vec<Step>; 10] = [
        vec![close()],
        vec![send("SSH-2.0-OpenSSH\r\n\r\n"), close()],
        vec![send(b"\0\x01\x02\xff\r\n\r\n"), close()],
        vec![send("HTTP/1.1 200"), close()],
        vec![send(head), close()],
        vec![send(format!("{head}Content-Length: 5\r\n\r\nx")), close()],
        vec![send(format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nx")), close()],
        vec![send(format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n")), close()],
        vec![send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), close()],
        vec![send(head), flood("X-Flood: 0123456789\r\n", 1 << 20), close()],
    ];
    for (index, script) in scripts.into_iter().enumerate() {
        let script: Vec<Step> = [expect("GET /check ")].into_iter().chain(script).collect();
        let origin = Origin::scripts([script]);
        let (application, sideman) = start(&origin.url(), &[]);
        let failed = sideman.get("/a");
        assert_eq!(failed.status, 502, "script {index}");
        assert_eq!(sideman.log_of("/a")["error"], "auth_server_failed", "script {index}");
        assert_eq!(application.requests(), 0, "script {index}");
    }
}

/// It has a limit of requests in flight and a queue of its own.
#[test]
fn busy_auth_server_has_its_own_queue() {
    let held = Gate::new();
    let gate = held.clone();
    let auth = AuthServer::start(move |request| {
        if request.head.get("x-original-uri") == Some("/held") {
            gate.pass();
        }
        ok()
    });
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url())
        .set("upstream.max_in_flight", "1")
        .set("upstream.queue", "0")
        .route("open", &[("path", "/open/"), ("auth", "off")])
        .start();
    let mut first = sideman.connect();
    first.send("GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    crate::support::eventually("the first request", || (!auth.asked().is_empty()).then_some(()));
    let refused = sideman.get("/a");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(sideman.log_of("/a")["error"], "auth_server_busy");
    // The application is free.
    assert_eq!(sideman.get("/open/").text(), "application");
    assert_eq!(sideman.metric("sideman_queue_length", &[]), 0.0);
    assert_eq!(sideman.metric("sideman_upstream_in_flight", &[]), 0.0);
    held.open();
    assert_eq!(first.response().text(), "application");
}

#[test]
fn client_that_disconnects_ends_the_request_to_the_auth_server() {
    let (asked, ended) = (Gate::new(), Gate::new());
    let script = [expect("GET /check "), open(&asked), until_closed(), open(&ended)];
    let origin = Origin::script(script);
    let (application, sideman) = start(&origin.url(), &[("auth_timeout", "1m")]);
    let mut client = sideman.connect();
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    asked.pass();
    client.reset_connection();
    ended.pass();
    let log = sideman.log_of("/a");
    assert_eq!((&log["status"], &log["error"]), (&499.into(), &"client_disconnected".into()));
    assert_eq!(application.requests(), 0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
}

/// A loop would otherwise ask for ever.
#[test]
fn auth_server_that_leads_back_is_noticed() {
    let application = App::saying("application");
    let before = ReservedAddress::new(Transport { protocol: Protocol::Http, is_unix: false });
    let sideman = guarded(&application, &format!("{}/check", before.url())).start();
    let listener = before.listen();
    let target = sideman.address();
    // Between both stands a proxy that forwards bytes.
    let relay = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut client: std::net::TcpStream = stream.into();
        let mut server = std::net::TcpStream::connect(target).unwrap();
        let mut back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let other = std::thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
        let _ = std::io::copy(&mut client, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Both);
        let _ = other.join();
    });
    assert_eq!(sideman.get("/a").status, 502);
    assert_eq!(sideman.log_of("/check")["error"], "loop_detected");
    drop(sideman);
    relay.join().unwrap();
}

/// While the auth server restarts, requests wait for it within `auth_timeout`.
#[test]
fn requests_wait_for_an_auth_server_that_restarts() {
    let place = std::sync::Arc::new(ReservedAddress::new(Transport {
        protocol: Protocol::Http,
        is_unix: false,
    }));
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .set("upstream.wait", "10s")
        .route("all", &[("auth", &format!("{}/check", place.url()))])
        .start();
    let mut client = sideman.connect();
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    let _auth = Origin::at(&place, [vec![expect("GET /check "), send(ok())]]);
    assert_eq!(client.response().text(), "application");
}
