//! The variables of a forwarded request.

use std::sync::{Arc, Mutex};

use super::{both, reply};
use crate::support::{After, Packet, Settings, UwsgiApp, pattern};

/// The packet that arrives at an application when a client sends these bytes: the same over TCP and over a unix
/// socket.
#[track_caller]
fn arrived(settings: impl Fn(Settings) -> Settings, request: impl AsRef<[u8]>) -> Packet {
    let packets = Arc::new(Mutex::new(Vec::<Packet>::new()));
    let taken = Arc::clone(&packets);
    let answer = move |packet: &Packet| {
        taken.lock().unwrap().push(packet.clone());
        reply("hello")
    };
    for app in both(answer) {
        let sideman = settings(Settings::before(&app.url())).start();
        let response = sideman.connect().send(&request).response();
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        assert_eq!(app.connections(), 1);
    }
    let mut packets = std::mem::take(&mut *packets.lock().unwrap());
    let (mut second, mut first) = (packets.pop().unwrap(), packets.pop().unwrap());
    // Each of the two programs has its own ports and ids.
    for key in [
        "REMOTE_PORT",
        "SERVER_PORT",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_REQUEST_ID",
        "HTTP_CDN_LOOP",
        "HTTP_X_REQUEST_START",
    ] {
        let pair = (first.variables.remove(key), second.variables.remove(key));
        assert!(
            matches!(&pair, (Some(first), Some(second)) if !first.is_empty() && !second.is_empty()),
            "{key}: {pair:?}"
        );
    }
    assert_eq!(first.variables, second.variables);
    assert!(first.body == second.body, "the bodies differ");
    first
}

/// Checks that each of these variables has this value, or is missing.
#[track_caller]
fn check(packet: &Packet, expected: &[(&str, Option<&str>)]) {
    for (key, value) in expected {
        assert_eq!(packet.get(key), *value, "{key} in {:?}", packet.variables);
    }
}

#[test]
fn get_arrives_as_a_packet() {
    let request = "GET /a%2Fb/%C3%BC%20c//./d?x=%20y&x=1 HTTP/1.1\r\nHost: example.test\r\n\
                   User-Agent: tester\r\nCookie: a=1\r\nAccept: */*\r\nCookie: b=2\r\n\
                   X-Two: one\r\nX-Two: two\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\n\
                   TE: trailers\r\n\r\n";
    let packet = arrived(|settings| settings, request);
    check(
        &packet,
        &[
            ("QUERY_STRING", Some("x=%20y&x=1")),
            ("REQUEST_METHOD", Some("GET")),
            ("CONTENT_TYPE", Some("")),
            ("CONTENT_LENGTH", Some("")),
            ("REQUEST_URI", Some("/a%2Fb/%C3%BC%20c//./d?x=%20y&x=1")),
            ("PATH_INFO", Some("/a/b/\u{c3}\u{bc} c//./d")),
            ("DOCUMENT_ROOT", Some("")),
            ("SERVER_PROTOCOL", Some("HTTP/1.1")),
            ("REQUEST_SCHEME", Some("http")),
            ("HTTPS", None),
            ("REMOTE_ADDR", Some("127.0.0.1")),
            ("SERVER_NAME", Some("example.test")),
            ("HTTP_HOST", Some("example.test")),
            ("HTTP_USER_AGENT", Some("tester")),
            ("HTTP_ACCEPT", Some("*/*")),
            ("HTTP_COOKIE", Some("a=1; b=2")),
            ("HTTP_X_TWO", Some("one, two")),
            ("HTTP_X_FORWARDED_FOR", Some("127.0.0.1")),
            ("HTTP_X_FORWARDED_PROTO", Some("http")),
            ("HTTP_CONNECTION", None),
            ("HTTP_X_MINE", None),
            ("HTTP_TE", None),
        ],
    );
}

#[test]
fn upload_arrives_as_a_packet_and_a_body() {
    let body = pattern(300_000);
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: example.test:8443\r\nContent-Type: a/b\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let packet = arrived(|settings| settings, [head.as_bytes(), &body].concat());
    check(
        &packet,
        &[
            ("REQUEST_METHOD", Some("POST")),
            ("CONTENT_TYPE", Some("a/b")),
            ("CONTENT_LENGTH", Some("300000")),
            ("SERVER_NAME", Some("example.test")),
            ("HTTP_HOST", Some("example.test:8443")),
            ("HTTP_CONTENT_TYPE", None),
            ("HTTP_CONTENT_LENGTH", None),
        ],
    );
    assert!(packet.body == body, "{} bytes", packet.body.len());
}

#[test]
fn load_balancer_headers_become_variables() {
    let trusting = |settings: Settings| settings.set("server.trusted_proxies", "127.0.0.0/8");
    // The load balancer's port is not the client's.
    let app = UwsgiApp::tcp(After::Close, |packet| {
        reply(&format!("{:?} {:?}", packet.get("REMOTE_ADDR"), packet.get("REMOTE_PORT")))
    });
    let sideman = trusting(Settings::before(&app.url())).start();
    let fields = "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    let text = sideman.connect().ask("GET", "/", fields).text();
    assert_eq!(text, "Some(\"203.0.113.7\") Some(\"\")");

    let app = UwsgiApp::tcp(After::Close, |packet| {
        reply(&format!("{:?} {:?}", packet.get("HTTPS"), packet.get("REQUEST_SCHEME")))
    });
    let sideman = trusting(Settings::before(&app.url())).start();
    let text = sideman.connect().ask("GET", "/", fields).text();
    assert_eq!(text, "Some(\"on\") Some(\"https\")");
    assert_eq!(sideman.get("/").text(), "None Some(\"http\")");
}

#[test]
fn client_headers_cannot_make_reserved_variables() {
    let request = "GET / HTTP/1.1\r\nHost: example.test\r\nUwsgi-File: /etc/passwd\r\n\
                   UWSGI_FILE: /etc/passwd\r\nUWSGI_SETENV: A=b\r\nScript-Name: /x\r\n\
                   SCRIPT_NAME: /x\r\nRemote-User: admin\r\nRemote-Addr: 6.6.6.6\r\n\
                   Https: on\r\nHTTPS_: on\r\nProxy: http://6.6.6.6\r\nContent_Length: 7\r\n\r\n";
    let packet = arrived(|settings| settings, request);
    let bare: Vec<&str> = packet
        .variables
        .keys()
        .map(String::as_str)
        .filter(|key| !key.starts_with("HTTP_"))
        .collect();
    let expected = [
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "DOCUMENT_ROOT",
        "PATH_INFO",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REQUEST_METHOD",
        "REQUEST_SCHEME",
        "REQUEST_URI",
        "SERVER_NAME",
        "SERVER_PROTOCOL",
    ];
    assert_eq!(bare, expected);
    check(
        &packet,
        &[
            ("REMOTE_ADDR", Some("127.0.0.1")),
            ("CONTENT_LENGTH", Some("")),
            ("HTTP_UWSGI_FILE", Some("/etc/passwd")),
            ("HTTP_SCRIPT_NAME", Some("/x")),
            ("HTTP_REMOTE_USER", None),
            ("HTTP_HTTPS", Some("on")),
            ("HTTP_UWSGI_SETENV", None),
            ("HTTP_CONTENT_LENGTH", None),
            ("HTTP_PROXY", None),
        ],
    );
}

#[test]
fn gunicorn_decodes_the_path_itself_and_keeps_its_connection() {
    let app = UwsgiApp::unix(After::Keep, |packet| {
        let connection = packet.get("HTTP_CONNECTION");
        let text = format!("{} {connection:?}", packet.get("PATH_INFO").unwrap());
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        [head, text].concat().into_bytes()
    });
    let settings = Settings::before(&app.url())
        .set("upstream.uwsgi_flavour", "gunicorn")
        .set("server.workers", "1");
    let sideman = settings.start();
    let mut client = sideman.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/a%2Fb%20c?x").text(), "/a%2Fb%20c None");
    }
    assert_eq!(client.post("/p%25", "", b"body").text(), "/p%25 None");
    assert_eq!(app.connections(), 1);
    sideman.until_metric("sideman_upstream_connections_reused_total", &[], 5.0);

    // With `Connection: close`, because otherwise it would wait for another request.
    let sideman = settings.set("upstream.max_idle", "0").start();
    assert_eq!(sideman.get("/a").text(), "/a Some(\"close\")");
}

#[test]
fn uwsgi_connection_carries_one_request() {
    // The connection is kept alive here, unlike with uWSGI: only the protocol decides.
    let app = UwsgiApp::tcp(After::Keep, |_| {
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello".to_vec()
    });
    let sideman = Settings::before(&app.url()).set("server.workers", "1").start();
    let mut client = sideman.connect();
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "hello");
    }
    assert_eq!(app.connections(), 4);
    assert_eq!(sideman.metric("sideman_upstream_connections_reused_total", &[]), 0.0);
}
