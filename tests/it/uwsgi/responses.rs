//! Responses in every form, and responses before the end of the request.

use super::both;
use crate::support::{
    After, Origin, Protocol, Settings, Step, Transport, UwsgiApp, half_close, packet, pattern,
    receive, reset, send, until_closed,
};

#[test]
fn every_form_of_status_line_is_understood() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
        ("HTTP/1.0 200 OK\r\n\r\nhello", 200),
        ("HTTP/1.1 404 Not Found\r\n\r\nhello", 404),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200),
        ("Status: 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200),
        ("Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nhello", 403),
        ("Content-Type: text/plain\nStatus: 500\n\nhello", 500),
        ("Content-Type: text/plain\r\n\r\nhello", 200),
        ("Location: /elsewhere\r\n\r\nhello", 302),
    ] {
        for app in both(move |_| answer.as_bytes().to_vec()) {
            let sideman = Settings::before(&app.url()).start();
            let mut client = sideman.connect();
            let response = client.get("/");
            let got = (response.status, response.text());
            assert_eq!(got, (status, "hello".to_owned()), "{answer:?}");
            assert!(!response.head.has("status"), "{answer:?}");
            assert!(matches!(client.get("/healthz").status, 200 | 503), "{answer:?}");
        }
    }
}

#[test]
fn responses_without_a_body() {
    for (method, answer, status) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200),
        ("HEAD", "Status: 200 OK\r\nContent-Length: 5\r\n\r\n", 200),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304),
        ("GET", "Status: 304\r\nETag: \"x\"\r\n\r\n", 304),
        ("DELETE", "Status: 204 No Content\r\n\r\n", 204),
    ] {
        for app in both(move |_| answer.as_bytes().to_vec()) {
            let sideman = Settings::before(&app.url()).start();
            let mut client = sideman.connect();
            let response = client.ask(method, "/", "");
            assert_eq!((response.status, response.body.len()), (status, 0), "{method} {answer:?}");
            assert!(matches!(client.get("/healthz").status, 200 | 503), "{answer:?}");
        }
    }
}

#[test]
fn malformed_response_is_502() {
    for garbage in [
        "",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "<html>hello</html>\n\n",
        "\r\n\r\n",
        "Status: OK\r\n\r\n",
        "Status: 101 Switching Protocols\r\n\r\n",
        "Status: 200\r\nno colon\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "Status: 200 OK\r\nContent-Le",
    ] {
        for app in both(move |_| garbage.as_bytes().to_vec()) {
            let sideman = Settings::before(&app.url()).start();
            assert_eq!(sideman.get("/").status, 502, "{garbage:?}");
        }
    }
}

#[test]
fn an_http_application_still_needs_its_status_line() {
    let head = "\r\n\r\n";
    let origin = Origin::script([
        receive(head),
        send("Status: 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        until_closed(),
    ]);
    let sideman = Settings::before(&origin.url()).start();
    assert_eq!(sideman.get("/").status, 502);
}

const REFUSAL: &str = "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 5\r\n\r\nno!!!";

/// Sends a body that is larger than a unix socket's buffers: writing it must fail.
#[track_caller]
fn check_refusal(url: &str) {
    let sideman = Settings::before(url).start();
    for _ in 0..10 {
        let response = sideman.connect().post("/", "", &pattern(1 << 20));
        assert_eq!((response.status, response.text().as_str()), (413, "no!!!"));
    }
}

/// uWSGI responds with 401 or 413 and closes, without having read the body: Linux makes a reset of that,
/// and the response before it must not be lost.
#[test]
fn response_before_the_body_is_read_is_delivered() {
    check_refusal(&UwsgiApp::tcp(After::CloseUnread, |_| REFUSAL.into()).url());
    check_refusal(&UwsgiApp::unix(After::CloseUnread, |_| REFUSAL.into()).url());
}

#[test]
fn response_before_a_reset_or_a_stopped_read_is_delivered() {
    let ends = [vec![reset()], vec![half_close(), until_closed()]];
    for end in ends {
        let script: Vec<Step> = [packet(), send(REFUSAL)].into_iter().chain(end).collect();
        let transport = Transport { protocol: Protocol::Uwsgi, is_unix: false };
        let origin = Origin::reached(transport, std::iter::repeat_n(script, 10));
        check_refusal(&origin.url());
    }
}
