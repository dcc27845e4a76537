//! Every rule of the site applies to HTTP/2 too.

use std::fs;

use super::connect;
use crate::support::{App, Settings, TempDir, eventually};

type Case = (&'static [(&'static str, &'static str)], u16);

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");

#[test]
fn hosts_of_others_are_refused() {
    let application = App::saying("hello");
    let sideman =
        Settings::before(&application.url()).set("server.allowed_hosts", "example.test").start();
    let mut client = connect(&sideman);
    let cases: [Case; 4] = [
        (&[METHOD, SCHEME, PATH, (":authority", "example.test")], 200),
        (&[METHOD, SCHEME, PATH, ("host", "example.test")], 200),
        (&[METHOD, SCHEME, PATH, (":authority", "other.test")], 421),
        (&[METHOD, SCHEME, PATH, (":authority", "other.test"), ("host", "example.test")], 400),
    ];
    for (fields, status) in cases {
        let stream = client.open(fields, true);
        assert_eq!(client.response(stream).status, status, "{fields:?}");
    }
    assert_eq!(application.requests(), 2);
}

#[test]
fn https_redirect_uses_the_scheme_of_a_trusted_proxy() {
    let application =
        App::start(|request| App::reply(request.head.get("x-forwarded-proto").unwrap().as_bytes()));
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.0/8")
        .set("server.redirect_https", "true")
        .start();
    let mut client = connect(&sideman);
    let stream = client.ask("GET", "/a?b", &[("x-forwarded-proto", "http")]);
    let response = client.response(stream);
    assert_eq!(
        (response.status, response.header("location")),
        (301, Some("https://example.test/a?b"))
    );
    let stream = client.ask("GET", "/a?b", &[("x-forwarded-proto", "https")]);
    assert_eq!(client.response(stream).text(), "https");
}

#[test]
fn header_rules_and_maintenance_apply_over_http2() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    let flag = directory.join("maintenance");
    let sideman = Settings::before(&application.url())
        .set("route.all.response_headers", "set X-Frame-Options: DENY")
        .set("maintenance.flag", flag.to_str().unwrap())
        .start();
    let mut client = connect(&sideman);
    let response = client.get("/");
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    fs::write(&flag, "").unwrap();
    eventually("503", || (sideman.get("/").status == 503).then_some(()));
    let response = client.get("/");
    assert_eq!((response.status, response.reset), (503, None));
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    fs::remove_file(&flag).unwrap();
    eventually("200", || (client.get("/").status == 200).then_some(()));
}

#[test]
fn websocket_over_http2_is_not_offered() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = connect(&sideman);
    // RFC 8441 is not offered, so no client may use it.
    client.settle();
    assert_eq!(client.settings.get(&8).copied().unwrap_or_default(), 0);
    let fields = [("sec-websocket-version", "13"), ("sec-websocket-key", "dGhlIHNhbXBsZQ==")];
    let stream = client.ask("GET", "/", &fields);
    assert_eq!(client.response(stream).status, 200);
    assert!(sideman.metric("sideman_tunnels_opened_total", &[]) == 0.0);
}
