//! Requests arrive in Django as they were sent, and responses arrive as Django made them.

use super::{Check, Site};
use crate::support::eventually;

pub(super) const CHECKS: &[Check] = &[
    ("a request arrives as it was sent", request_arrives),
    ("a stranger cannot forge", forged_identity_is_ignored),
    ("a balancer tells client and scheme", balancer_is_believed),
    ("health needs no allowed host", health_needs_no_allowed_host),
    ("a page and its stylesheet", page),
    ("errors and redirects are Django's", errors_and_redirects),
    ("HEAD", head),
    ("a page that has not changed", unchanged),
    ("a slow page is finished after SIGTERM", slow_page_is_finished),
    ("a page that is too slow is 504", too_slow_page),
];

fn request_arrives(site: &Site) {
    let mut client = site.sideman.connect();
    let fields = "User-Agent: tester/1.0\r\nX-Request-ID: the-id\r\nCookie: a=1; b=2\r\n\
                  Accept-Language: de\r\nX-Two: one\r\nX-Two: two\r\n";
    let response = client.ask("GET", "/echo/a%2Fb/%C3%BC/?x=%20y&x=1+2", fields);
    assert_eq!((response.status, response.header("x-request-id")), (200, Some("the-id")));
    let echo = response.json();
    for (key, expected) in [
        ("method", "GET"),
        ("path", "/echo/a/b/\u{fc}/"),
        ("query", "x=%20y&x=1+2"),
        ("target", "/echo/a%2Fb/%C3%BC/?x=%20y&x=1+2"),
    ] {
        assert_eq!(echo[key], expected, "{key}");
    }
    let meta = &echo["meta"];
    for (key, expected) in [
        ("HTTP_HOST", "example.test"),
        ("HTTP_USER_AGENT", "tester/1.0"),
        ("HTTP_X_REQUEST_ID", "the-id"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_ACCEPT_LANGUAGE", "de"),
    ] {
        assert_eq!(meta[key], expected, "{key}");
    }
    // ASGI has no such variable.
    if !site.server.is_asgi() {
        assert_eq!(meta["SERVER_PROTOCOL"], "HTTP/1.1");
    }
    // The log line belongs to the same request.
    let line = site.sideman.log_line("with the id", |line| line["request_id"] == "the-id");
    assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &response.body.len().into()));
}

fn forged_identity_is_ignored(site: &Site) {
    let fields = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: evil.test\r\nX-Real-IP: 6.6.6.6\r\n\
                  X_Forwarded_Proto: https\r\nForwarded: for=6.6.6.6;proto=https\r\n\
                  Proxy: http://6.6.6.6\r\nRemote_User: admin\r\n";
    let echo = site.sideman.connect().ask("GET", "/echo", fields).json();
    let meta = &echo["meta"];
    assert_eq!(meta["HTTP_X_FORWARDED_FOR"], "127.0.0.1");
    assert_eq!(meta["HTTP_X_FORWARDED_PROTO"], "http");
    assert_eq!(echo["secure"], false);
    assert_eq!(echo["url"], "http://example.test/echo");
    let meta = meta.to_string();
    assert!(!meta.contains("6.6.6.6") && !meta.contains("evil"), "{meta}");
    assert!(!meta.contains("REMOTE_USER\":\"admin"), "{meta}");
}

fn balancer_is_believed(site: &Site) {
    let fields = "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Port: 443\r\n";
    let echo = site.balanced.connect().ask("GET", "/echo", fields).json();
    assert_eq!(echo["meta"]["HTTP_X_FORWARDED_FOR"], "203.0.113.7");
    assert_eq!(echo["secure"], true);
    assert_eq!(echo["url"], "https://example.test/echo");
}

fn health_needs_no_allowed_host(site: &Site) {
    let mut client = site.sideman.connect();
    let ask = |path| format!("GET {path} HTTP/1.1\r\nHost: 10.1.2.3:8080\r\n\r\n");
    assert_eq!(client.send(ask("/healthz")).response().status, 200);
    assert_eq!(client.send(ask("/readyz")).response().status, 200);
    // Django itself would have refused this.
    assert_eq!(client.send(ask("/")).response().status, 400);
}

fn page(site: &Site) {
    let mut client = site.sideman.connect();
    let response = client.get("/");
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    let text = response.text();
    assert!(text.contains("<h1>It works</h1>"), "{text}");
    for name in ["project/site.css", "project/mark.svg"] {
        let path = site.django.hashed(name);
        assert!(text.contains(&format!("\"{path}\"")), "{path} in {text}");
        assert_eq!(client.get(&path).status, 200, "{path}");
    }
}

fn errors_and_redirects(site: &Site) {
    let mut client = site.sideman.connect();
    let response = client.get("/no-such-page/");
    assert_eq!(response.status, 404);
    assert!(response.text().contains("Not Found"), "{}", response.text());
    let response = client.get("/upload?x=1");
    assert_eq!((response.status, response.header("location")), (301, Some("/upload/?x=1")));
    let response = client.get("/private/");
    let location = response.header("location").unwrap();
    assert_eq!((response.status, location), (302, "/accounts/login/?next=/private/"));
    let host = "GET / HTTP/1.1\r\nHost: not-allowed.test\r\n\r\n";
    assert_eq!(client.send(host).response().status, 400);
}

fn head(site: &Site) {
    let mut client = site.sideman.connect();
    let get = client.get("/download/5000/");
    let head = client.ask("HEAD", "/download/5000/", "");
    assert_eq!((get.status, get.body.len()), (200, 5000));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(client.get("/download/3/").body, [0, 1, 2]);
}

fn unchanged(site: &Site) {
    let mut client = site.sideman.connect();
    let page = client.get("/constant/");
    assert_eq!((page.status, page.header("etag")), (200, Some("\"unchanged\"")));
    let again = client.ask("GET", "/constant/", "If-None-Match: \"unchanged\"\r\n");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = client.ask("GET", "/constant/", "If-None-Match: \"other\"\r\n");
    assert_eq!((other.status, other.text().as_str()), (200, "constant\n"));
}

fn slow_page_is_finished(site: &Site) {
    let sideman = Site::settings(&site.wsgi, site.django).start().until_ready();
    let mut client = sideman.connect();
    client.send("GET /slow/?ms=700 HTTP/1.1\r\nHost: example.test\r\n\r\n");
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    sideman.signal(rustix::process::Signal::TERM);
    assert_eq!(client.response().text(), "done\n");
    assert_eq!(sideman.wait().0, Some(0));
}

fn too_slow_page(site: &Site) {
    let settings = Site::settings(&site.wsgi, site.django).set("upstream.read_timeout", "300ms");
    let sideman = settings.start();
    assert_eq!(sideman.get("/slow/?ms=1500").status, 504);
    // One worker sleeps; the others serve.
    eventually("a good answer", || (sideman.get("/echo").status == 200).then_some(()));
}
