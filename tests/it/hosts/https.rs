//! The redirect from http to https, with the scheme from a trusted proxy.

use crate::support::{App, Settings, Sideman, TempDir};

const CAME_BY_HTTP: &str = "X-Forwarded-Proto: http\r\n";

/// Sideman in front of an application that responds with `here`.
fn start(trusted: &str, redirects: bool) -> (App, TempDir, Sideman) {
    let application = App::saying("here");
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    let settings = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("server.trusted_proxies", trusted);
    let settings = if redirects { settings.set("server.redirect_https", "true") } else { settings };
    (application, directory, settings.start())
}

#[test]
fn http_is_redirected_to_the_same_target_on_https() {
    let (application, _directory, sideman) = start("127.0.0.0/8", true);
    let mut client = sideman.connect();
    for (host, target, location) in [
        ("example.org", "/", "https://example.org/"),
        ("example.org:80", "/a?", "https://example.org/a?"),
        ("example.org:8080", "/a", "https://example.org:8080/a"),
        ("Example.ORG", "/%2F;x=y?a=%20&b|c", "https://Example.ORG/%2F;x=y?a=%20&b|c"),
        ("[::1]:80", "/a//b/../c", "https://[::1]/a//b/../c"),
        ("example.org", "//evil.test/x", "https://example.org//evil.test/x"),
        ("example.org", "/\\evil.test", "https://example.org/\\evil.test"),
        ("example.org", "/?next=http://evil.test/", "https://example.org/?next=http://evil.test/"),
        ("example.org", "http://example.org:80/a", "https://example.org/a"),
        ("example.org", "/static/a.txt", "https://example.org/static/a.txt"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{CAME_BY_HTTP}\r\n"));
        let response = client.response();
        assert_eq!(response.status, 301, "{host} {target}");
        assert_eq!(response.header("location"), Some(location));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(response.body.is_empty());
    }
    assert_eq!(application.requests(), 0);
}

#[test]
fn https_redirect_keeps_the_method() {
    let (application, _directory, sideman) = start("127.0.0.0/8", true);
    let mut client = sideman.connect();
    for (method, status) in [
        ("GET", 301),
        ("HEAD", 301),
        ("POST", 308),
        ("PUT", 308),
        ("DELETE", 308),
        ("OPTIONS", 308),
    ] {
        let response = client.ask(method, "/form", CAME_BY_HTTP);
        assert_eq!(response.status, status, "{method}");
        assert_eq!(response.header("location"), Some("https://example.test/form"), "{method}");
    }
    // The connection stays open after an unread body.
    assert_eq!(client.post("/form", CAME_BY_HTTP, b"a=1").status, 308);
    assert_eq!(client.ask("GET", "/", "").text(), "here");
    assert_eq!(application.requests(), 1);
}

#[test]
fn only_trusted_proxies_set_the_scheme() {
    for (trusted, redirects, fields, status) in [
        ("127.0.0.0/8", true, "X-Forwarded-Proto: http\r\n", 301),
        ("127.0.0.0/8", true, "X-Forwarded-Proto: HTTP\r\n", 301),
        // The last value is that of the proxy itself.
        ("127.0.0.0/8", true, "X-Forwarded-Proto: https, http\r\n", 301),
        ("127.0.0.0/8", true, "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", 301),
        ("127.0.0.0/8", true, "X-Forwarded-Proto: http, https\r\n", 200),
        ("127.0.0.0/8", true, "X-Forwarded-Proto: https\r\n", 200),
        ("127.0.0.0/8", true, "X-Forwarded-Proto:\r\n", 200),
        ("127.0.0.0/8", true, "X-Forwarded-Proto: ftp\r\n", 200),
        // A request from inside, past the proxy.
        ("127.0.0.0/8", true, "", 200),
        ("127.0.0.0/8", true, "X-Forwarded-For: 203.0.113.7\r\n", 200),
        ("127.0.0.0/8", true, "Forwarded: proto=http\r\n", 200),
        // An untrusted client.
        ("none", true, "X-Forwarded-Proto: http\r\n", 200),
        ("127.0.0.0/8", false, "X-Forwarded-Proto: http\r\n", 200),
    ] {
        let (_application, _directory, sideman) = start(trusted, redirects);
        let response = sideman.connect().ask("GET", "/", fields);
        assert_eq!(response.status, status, "{trusted}, {redirects}, {fields}");
        assert_eq!(response.head.has("location"), status == 301);
    }
}

#[test]
fn health_checks_are_not_redirected() {
    let (_application, _directory, sideman) = start("127.0.0.0/8", true);
    let sideman = sideman.until_ready();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(sideman.connect().ask("GET", path, CAME_BY_HTTP).status, 200, "{path}");
    }
}

#[test]
fn https_redirect_never_leads_to_an_invalid_host() {
    let (application, _directory, sideman) = start("127.0.0.0/8", true);
    for host in ["", "a/b", "user@evil.test", "evil.test\\@a", "a b", "evil.test?a", "evil.test#"] {
        let mut client = sideman.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{CAME_BY_HTTP}\r\n"));
        let response = client.response();
        assert_eq!(response.status, 400, "{host}");
        assert!(!response.head.has("location"), "{host}");
    }
    // Without a host there is no target for a redirect.
    let mut client = sideman.connect();
    client.send(format!("GET / HTTP/1.0\r\n{CAME_BY_HTTP}\r\n"));
    assert_eq!(client.response().status, 400);
    assert_eq!(application.requests(), 0);
}

#[test]
fn https_redirects_are_logged_and_counted_separately() {
    let (_application, _directory, sideman) = start("127.0.0.0/8", true);
    let fields = format!("X-Request-ID: the-id\r\n{CAME_BY_HTTP}");
    let response = sideman.connect().ask("GET", "/there", &fields);
    assert_eq!(response.header("x-request-id"), Some("the-id"));
    assert_eq!(sideman.log_of("/there")["status"], 301);
    let labels = [("route", "none"), ("method", "GET"), ("status", "3xx")];
    sideman.until_metric("sideman_requests_total", &labels, 1.0);
}
