//! The host of a request: `Host` and the authority of the target (RFC 9112, 3.2 and 3.3).

use super::{Case, apps::Seen, check, last, passed, refused};
use crate::support::Settings;

#[test]
fn host_headers_are_accepted_or_refused() {
    let invalid =
        |host: &str| refused(format!("GET / HTTP/1.1\r\nHost:{host}\r\n\r\n"), 400, "host_invalid");
    let valid = |host: &'static str| {
        passed(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Seen::of("GET /").host(host))
    };
    let repeated =
        |fields: &str| refused(format!("GET / HTTP/1.1\r\n{fields}\r\n"), 400, "host_repeated");
    check(&[
        refused("GET / HTTP/1.1\r\n\r\n", 400, "host_missing"),
        refused("GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", 400, "host_missing"),
        refused("GET http://a/ HTTP/1.1\r\n\r\n", 400, "host_missing"),
        repeated("Host: a\r\nHost: b\r\n"),
        repeated("Host: a\r\nHost: a\r\n"),
        repeated("Host: a\r\nX: y\r\nhOsT: a\r\n"),
        repeated("Host:\r\nHost: a\r\n"),
        refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "host_repeated"),
        invalid(""),
        invalid(" "),
        invalid(" user@a"),
        invalid(" user:secret@a"),
        invalid(" @a"),
        invalid(" a/b"),
        invalid(" a/"),
        invalid(" http://a"),
        invalid(" a?b"),
        invalid(" a#b"),
        invalid(" a b"),
        invalid(" a\tb"),
        invalid(" a, b"),
        invalid(" a,b"),
        invalid(" a:80, b:80"),
        invalid(" :80"),
        invalid(" a:b"),
        invalid(" a:-1"),
        invalid(" a:+80"),
        invalid(" a:65536"),
        invalid(" a:123456"),
        invalid(" a:80:80"),
        invalid(" ::1"),
        invalid(" [::1"),
        invalid(" ::1]"),
        invalid(" [::1]a"),
        invalid(" [::1]:x"),
        invalid(" [zz]"),
        invalid(" []"),
        invalid(" [::1%25eth0]"),
        invalid(" [127.0.0.1]"),
        invalid(" \"a\""),
        invalid(" <a>"),
        invalid(" a\\b"),
        invalid(" \u{e9}"),
        refused("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 400, "field_invalid"),
        refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "field_invalid"),
        refused("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, "field_invalid"),
        valid("a:80"),
        valid("A.Example.ORG."),
        valid("127.0.0.1:8080"),
        valid("[::1]"),
        valid("[2001:db8::7]:65535"),
        valid("a:"),
        valid("x_y-z"),
        passed("GET / HTTP/1.1\r\nhOST:\t a \t\r\n\r\n", Seen::of("GET /")),
        last("GET / HTTP/1.0\r\nHost: a\r\n\r\n", Seen::of("GET /").version("HTTP/1.0")),
    ]);
}

#[test]
fn authority_of_the_target_must_match_host() {
    let with = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let other = |target: &str, host: &str| refused(with(target, host), 400, "host_mismatch");
    let invalid = |target: &str| refused(with(target, "a"), 400, "host_invalid");
    let target = |target: &str| refused(with(target, "a"), 400, "target_invalid");
    let valid = |target: &str, field: &str, path: &str, host: &'static str| {
        passed(with(target, field), Seen::of(&format!("GET {path}")).host(host))
    };
    let cases: Vec<Case> = vec![
        other("http://b/", "a"),
        other("http://a.b/", "a"),
        other("http://a:81/", "a"),
        other("http://a/", "a:81"),
        other("http://a:443/", "a"),
        other("http://[::1]/", "a"),
        other("http://a./", "a"),
        // Nothing indicates that the client used https.
        other("https://a/", "a"),
        other("https://a:443/", "a:443"),
        other("ftp://a/", "a"),
        other("ws://a/", "a"),
        other("file://a/", "a"),
        invalid("http://user@a/"),
        invalid("http://user:secret@a/"),
        invalid("http://@a/"),
        refused(with("http://a:65536/", "a"), 400, "host_invalid"),
        refused(with("http://a,b/", "a"), 400, "host_invalid"),
        refused(with("http://a/", "b c"), 400, "host_invalid"),
        refused("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "host_repeated"),
        target("http:///"),
        target("http://"),
        target("http:/a"),
        target("http:a"),
        other("://a/", "a"),
        target("http://a#b"),
        target("http://a/b#c"),
        target("http://[::1/"),
        target("http://a b/"),
        target("http:\\\\a\\"),
        target("javascript:alert(1)"),
        valid("http://a/", "a", "/", "a"),
        valid("http://a", "a", "/", "a"),
        valid("http://a/b?c=d", "a", "/b?c=d", "a"),
        valid("http://a//b/../c", "a", "//b/../c", "a"),
        valid("HTTP://A/", "a", "/", "A"),
        valid("http://a:80/", "a", "/", "a:80"),
        valid("http://a/", "A:80", "/", "a"),
        last("GET http://a/b HTTP/1.0\r\n\r\n", Seen::of("GET /b").version("HTTP/1.0")),
    ];
    check(&cases);
}

#[test]
fn https_target_is_accepted_over_tls() {
    let application = super::Application::http();
    let settings = Settings::before(&application.url()).set("server.trusted_proxies", "private");
    let sideman = settings.start();
    for (target, scheme, status) in [
        ("https://a/", "https", 200),
        ("https://a:443/", "https", 200),
        ("https://a/", "http", 400),
        ("https://a:80/", "https", 400),
        ("http://a/", "https", 200),
    ] {
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: {scheme}\r\n\r\n");
        assert_eq!(sideman.connect().send(head).response().status, status, "{target} {scheme}");
    }
}
