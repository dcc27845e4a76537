//! What the status of the auth server's response means, and what of it the client gets.

use super::{AuthServer, echo, guarded};
use crate::support::{App, Http2};

#[test]
fn success_lets_a_request_pass_with_its_body() {
    for status in ["200 OK", "201 Created", "202 Accepted", "299 Fine"] {
        let auth = AuthServer::saying(status, "X-Accel-Redirect: /secret\r\n", "ignored");
        let application = echo();
        let sideman = guarded(&application, &auth.url()).start();
        let told = sideman.connect().post("/a?b", "", b"the body").text();
        assert!(told.starts_with("POST /a?b HTTP/1.1\n"), "{status}: {told}");
        assert!(told.ends_with("the body"), "{status}: {told}");
        let asked = auth.asked();
        assert_eq!(asked.len(), 1, "{status}");
        assert_eq!(asked[0].head.start, "GET /check HTTP/1.1", "{status}");
        assert!(asked[0].body.is_empty() && !asked[0].head.has("transfer-encoding"), "{status}");
        assert!(asked[0].head.get("content-length").is_none_or(|length| length == "0"));
        sideman.until_metric("sideman_forward_auth_total", &[("result", "allowed")], 1.0);
    }
    let auth = AuthServer::start(|_| b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url()).start();
    assert_eq!(sideman.get("/").text(), "application");
}

#[test]
fn denials_go_to_the_client() {
    for (status, fields, body) in [
        (
            "401 Unauthorized",
            "WWW-Authenticate: Bearer realm=\"x\"\r\nContent-Type: text/html\r\n",
            "log in",
        ),
        ("403 Forbidden", "X-Why: robots\r\n", ""),
        ("302 Found", "Location: https://login.example/?rd=%2Fa\r\n", "moved"),
        ("301 Moved Permanently", "Location: /login\r\n", ""),
        ("303 See Other", "Location: /login\r\n", ""),
        ("307 Temporary Redirect", "Location: /login\r\n", ""),
        ("308 Permanent Redirect", "Location: /login\r\n", ""),
    ] {
        let cookies = "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nX-Accel-Redirect: /secret\r\n";
        let auth = AuthServer::saying(status, &format!("{fields}{cookies}"), body);
        let application = App::saying("application");
        let sideman = guarded(&application, &auth.url()).start();
        let mut client = sideman.connect();
        for method in ["GET", "HEAD", "POST", "OPTIONS"] {
            let denied = client.ask(method, "/a", "");
            assert_eq!(status.split(' ').next(), Some(&*denied.status.to_string()), "{method}");
            for line in fields.lines() {
                let (name, value) = line.split_once(": ").unwrap();
                assert_eq!(denied.header(name), Some(value), "{method} {status}");
            }
            assert_eq!(denied.head.all("set-cookie"), ["a=b; Path=/", "c=d"], "{method} {status}");
            assert_eq!(denied.header("content-length"), Some(&*body.len().to_string()));
            assert_eq!(
                denied.text(),
                if method == "HEAD" { "" } else { body },
                "{method} {status}"
            );
            assert!(!denied.head.has("x-accel-redirect"), "{status}");
        }
        let mut client = Http2::connect(sideman.address());
        let denied = client.get("/a");
        assert_eq!(status.split(' ').next(), Some(&*denied.status.to_string()));
        assert_eq!(denied.text(), body, "{status}");
        assert_eq!(application.requests(), 0, "{status}");
        sideman.until_metric("sideman_forward_auth_total", &[("result", "denied")], 5.0);
        let log = sideman.log_of("/a");
        assert_eq!((&log["route"], &log["error"]), (&"none".into(), &serde_json::Value::Null));
    }
}

/// The next request on a connection is not part of the body of one that was denied.
#[test]
fn body_of_a_denied_request_is_read_or_the_connection_closes() {
    let auth = AuthServer::saying("401 Unauthorized", "", "");
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url()).start();
    let mut client = sideman.connect();
    for _ in 0..2 {
        assert_eq!(client.post("/", "", b"GET /smuggled HTTP/1.1\r\n\r\n").status, 401);
    }
    assert_eq!(auth.asked().len(), 2);
    assert_eq!(application.requests(), 0);
}

#[test]
fn denials_are_not_cached_for_others() {
    for (fields, expected) in [
        ("Location: /login\r\n", "no-store"),
        ("Location: /login\r\nCache-Control: public, max-age=5\r\n", "private, max-age=5"),
    ] {
        let auth = AuthServer::saying("301 Moved Permanently", fields, "");
        let application = App::saying("application");
        let sideman = guarded(&application, &auth.url()).start();
        assert_eq!(sideman.get("/").header("cache-control"), Some(expected), "{fields}");
    }
}

#[test]
fn every_other_status_is_a_failure() {
    for status in [
        "300 Multiple Choices",
        "302 Found",
        "304 Not Modified",
        "305 Use Proxy",
        "400 Bad Request",
        "402 Payment Required",
        "404 Not Found",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
        "599 Unknown",
    ] {
        let auth = AuthServer::saying(status, "", "");
        let application = App::saying("application");
        let sideman = guarded(&application, &auth.url()).start();
        let failed = sideman.get("/a");
        assert_eq!(failed.status, 502, "{status}");
        assert_eq!(application.requests(), 0, "{status}");
        assert_eq!(sideman.log_of("/a")["error"], "auth_server_failed", "{status}");
        let number = status.split(' ').next().unwrap();
        let event = sideman.event("request failed at the auth server");
        assert!(event.contains(&format!("status {number}")), "{event}");
        assert!(event.contains(auth.app.url().trim_start_matches("http://")), "{event}");
        sideman.until_metric("sideman_errors_total", &[("error", "auth_server_failed")], 1.0);
        sideman.until_metric("sideman_forward_auth_total", &[("result", "failed")], 1.0);
    }
}

/// A page of Sideman replaces a body that is longer than 64 KiB.
#[test]
fn long_bodies_of_denials_are_replaced() {
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let fields = "Set-Cookie: a=b\r\nWWW-Authenticate: Basic\r\nContent-Encoding: br\r\n";
    let endless = format!(
        "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n{fields}\r\n{}",
        chunk.repeat(5)
    );
    let long = "x".repeat(64 * 1024 + 1);
    for response in [super::response("401 Unauthorized", fields, &long), endless.into_bytes()] {
        let auth = AuthServer::start(move |_| response.clone());
        let application = App::saying("application");
        let sideman = guarded(&application, &auth.url()).start();
        let denied = sideman.get("/");
        assert_eq!(denied.status, 401);
        assert!(denied.text().contains("You have no access to this address."), "{denied:?}");
        assert_eq!(denied.header("set-cookie"), Some("a=b"));
        assert_eq!(denied.header("www-authenticate"), Some("Basic"));
        assert!(!denied.head.has("content-encoding"));
    }
    let auth = AuthServer::saying("403 Forbidden", "", &long[1..]);
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url()).start();
    assert_eq!(sideman.get("/").body.len(), 64 * 1024);
}

/// The body of a response that lets a request pass does not matter, however long it is.
#[test]
fn long_bodies_of_successes_are_not_read() {
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let endless =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(5));
    let auth = AuthServer::start(move |_| endless.clone().into_bytes());
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url()).start();
    let mut client = sideman.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "application");
    }
}
