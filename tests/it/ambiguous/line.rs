//! The request line: method, target, version (RFC 9112, 3).

use super::{Case, apps::Seen, check, last, passed, refused};
use crate::support::{App, Settings, TempDir};

fn with(line: &str) -> String {
    format!("{line}\r\nHost: a\r\n\r\n")
}

fn line(line: &str) -> Case {
    refused(with(line), 400, "request_line_invalid")
}

fn target(line: &str) -> Case {
    refused(with(line), 400, "target_invalid")
}

fn target_of(target: &str) -> Case {
    passed(with(&format!("GET {target} HTTP/1.1")), Seen::of(&format!("GET {target}")))
}

#[test]
fn malformed_request_lines_are_refused() {
    check(&[
        line("GET"),
        line("GET "),
        line("GET /"),
        line("GET / "),
        line(" GET / HTTP/1.1"),
        line("\tGET / HTTP/1.1"),
        line("GET\t/\tHTTP/1.1"),
        line("GET / HTTP/1.1 "),
        line("GET / HTTP/1.1\t"),
        line("GET / HTTP/1.1 x"),
        line("GET /\tHTTP/1.1"),
        line("GET /\x0bHTTP/1.1"),
        line(" / HTTP/1.1"),
        line("\0GET / HTTP/1.1"),
        line("G\0ET / HTTP/1.1"),
        line("G\x1bET / HTTP/1.1"),
        line("G(ET / HTTP/1.1"),
        line("GET: / HTTP/1.1"),
        line("G\u{c9}T / HTTP/1.1"),
        line("\u{feff}GET / HTTP/1.1"),
        line("\"GET\" / HTTP/1.1"),
        line(&format!("{} / HTTP/1.1", "A".repeat(33))),
        line(&format!("{} / HTTP/1.1", "A".repeat(9000))),
        line("HTTP/1.1 200 OK"),
        // TLS sent to the plain port.
        refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request_line_invalid"),
        refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request_line_invalid"),
        refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "line_end_invalid"),
        refused("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "line_end_invalid"),
        refused(" \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request_line_invalid"),
        refused("GET /\rX HTTP/1.1\r\nHost: a\r\n\r\n", 400, "line_end_invalid"),
        refused("GET /\nX HTTP/1.1\r\nHost: a\r\n\r\n", 400, "line_end_invalid"),
        refused("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400, "line_end_invalid"),
        // Some clients send an empty line after a body (RFC 9112, 2.2).
        passed("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Seen::of("GET /")),
        passed(with("get / HTTP/1.1"), Seen::of("get /")),
        passed(with("M-SEARCH / HTTP/1.1"), Seen::of("M-SEARCH /")),
        passed(with("!#$%&'*+-.^_`|~ / HTTP/1.1"), Seen::of("!#$%&'*+-.^_`|~ /")),
        passed(with("PRI / HTTP/1.1"), Seen::of("PRI /")),
    ]);
}

#[test]
fn http_versions_are_accepted_or_refused() {
    let version = |line: &str| refused(with(line), 505, "version_unsupported");
    check(&[
        version("GET / HTTP/0.9"),
        version("GET / HTTP/1.2"),
        version("GET / HTTP/1.9"),
        version("GET / HTTP/2.0"),
        version("GET / HTTP/3.0"),
        version("GET / HTTP/0.0"),
        line("GET / HTTP/1.10"),
        line("GET / HTTP/01.1"),
        line("GET / HTTP/1"),
        line("GET / HTTP/2"),
        line("GET / HTTP/1."),
        line("GET / HTTP/1,1"),
        line("GET / http/1.1"),
        line("GET / HTTP /1.1"),
        line("GET / HTTPS/1.1"),
        line("GET / HTTP/-1.1"),
        line("GET / ICE/1.1"),
        last(with("GET / HTTP/1.0"), Seen::of("GET /").version("HTTP/1.0")),
    ]);
}

#[test]
fn unserved_methods_are_refused() {
    check(&[
        refused(with("TRACE / HTTP/1.1"), 405, "trace_method"),
        refused(with("TRACE * HTTP/1.1"), 405, "trace_method"),
        refused(
            "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
            405,
            "trace_method",
        ),
        refused("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "connect_method"),
        refused(with("CONNECT / HTTP/1.1"), 405, "connect_method"),
        refused(with("CONNECT http://a/ HTTP/1.1"), 405, "connect_method"),
        passed(with("trace / HTTP/1.1"), Seen::of("trace /")),
    ]);
}

#[test]
fn request_targets_are_forwarded_or_refused() {
    let mut cases = vec![
        target("GET  / HTTP/1.1"),
        target("GET /  HTTP/1.1"),
        target("GET /a b HTTP/1.1"),
        target("GET /a HTTP/1.1 HTTP/1.1"),
        target("GET / HTTP/1.0 HTTP/1.1"),
        target("GET /\tb HTTP/1.1"),
        target("GET /a\0b HTTP/1.1"),
        target("GET /a\x0bb HTTP/1.1"),
        target("GET /a\x7fb HTTP/1.1"),
        target("GET /?a\x01b HTTP/1.1"),
        target("GET /a#b HTTP/1.1"),
        target("GET /# HTTP/1.1"),
        target("GET /?a#b HTTP/1.1"),
        target("GET # HTTP/1.1"),
        target("GET /a<b> HTTP/1.1"),
        target("GET /a`b HTTP/1.1"),
        target("GET /?a b HTTP/1.1"),
        target("GET http://a#b HTTP/1.1"),
        target("GET http://a/<?b HTTP/1.1"),
        target("GET http://?b HTTP/1.1"),
        target("GET ?a HTTP/1.1"),
        target("GET a HTTP/1.1"),
        target("GET a/b HTTP/1.1"),
        target("GET ../a HTTP/1.1"),
        target("GET \\a HTTP/1.1"),
        target("GET %2Fa HTTP/1.1"),
        target("GET * HTTP/1.1"),
        target("POST * HTTP/1.1"),
        target("OPTIONS *a HTTP/1.1"),
        target("OPTIONS ** HTTP/1.1"),
        // Only CONNECT uses the authority form.
        target("GET a:80 HTTP/1.1"),
        target("OPTIONS a:80 HTTP/1.1"),
        target("GET user@a:80 HTTP/1.1"),
        refused(b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_invalid"),
        refused(b"GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_invalid"),
        refused(b"GET /?\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "target_invalid"),
    ];
    // Forwarded unchanged: only the application knows their meaning.
    cases.extend(
        [
            "/?",
            "//",
            "//b/c",
            "/a//b",
            "/a\\b",
            "/..\\b",
            "/./a/../b",
            "/..",
            "/;a=b",
            "/a:80",
            "/@",
        ]
        .map(target_of),
    );
    cases.extend(
        ["/?a?b", "/?a=/../", "/?a|b{}`^\\", "/a|b{}^\"", "/?a%", "/http://b/"].map(target_of),
    );
    cases.extend(
        [
            ("/%2F%2f", "///"),
            ("/%2e%2e/a", "/../a"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/%00", "/%00"),
            ("/%0d%0aX:%201", "/\r\nX: 1"),
            ("/%23a%3Fb", "/#a?b"),
            ("/%252e", "/%2e"),
            ("/%c3%a9", "/\u{c3}\u{a9}"),
            ("/%ff", "/\u{ff}"),
            ("/%u0041", "/%u0041"),
        ]
        .map(|(raw, decoded)| {
            let seen = Seen::of(&format!("GET {raw}")).path_info(decoded);
            passed(with(&format!("GET {raw} HTTP/1.1")), seen)
        }),
    );
    // Browsers and curl send all of these unescaped.
    cases.extend(
        [
            "/?a\"b",
            "/?a<b>",
            "/?<",
            "/a?\"\"&b=<>",
            "/?{\"a\":[\"b|c\",\"`^\\\"]}",
            "/\"?\"",
            "/?!$&'()*+,-./:;=?@[]_~%",
        ]
        .map(target_of),
    );
    cases.push(passed(with("GET /?\u{e9}\"<\u{20ac}> HTTP/1.1"), {
        Seen::of("GET /?\u{c3}\u{a9}\"<\u{e2}\u{82}\u{ac}>")
    }));
    // In absolute form the path may be missing (RFC 3986, 3.3).
    cases.extend(
        [("http://a?b=c", "/?b=c"), ("http://a?", "/?"), ("http://A?\"<b>/c?d", "/?\"<b>/c?d")]
            .map(|(target, seen)| {
                let seen = Seen::of(&format!("GET {seen}")).host(&target[7..8]);
                passed(with(&format!("GET {target} HTTP/1.1")), seen)
            }),
    );
    cases.push(last(with("GET http://a?b HTTP/1.0"), Seen::of("GET /?b").version("HTTP/1.0")));
    // Unescaped UTF-8 is forwarded byte for byte.
    cases.push(passed(with("GET /\u{e9} HTTP/1.1"), Seen::of("GET /\u{c3}\u{a9}")));
    cases.push(passed(with("OPTIONS * HTTP/1.1"), Seen::of("OPTIONS *")));
    let long = format!("/{}?{}", "a".repeat(600), "b".repeat(600));
    cases.push(target_of(&long));
    check(&cases);
}

#[test]
fn invalid_byte_of_a_target_is_named() {
    let application = App::saying("not asked");
    let sideman = Settings::before(&application.url()).start();
    for (target, name) in [
        (&b"/a#b"[..], "\"#\" (0x23) as byte 3, where it is not allowed: send it as %23."),
        (b"/<b>", "\"<\" (0x3C) as byte 2, where it is not allowed: send it as %3C."),
        (b"/?a=b c", "a space (0x20) as byte 6, where it is not allowed: send it as %20."),
        (b"/?\x7f", "0x7F as byte 3, where it is not allowed: send it as %7F."),
        (b"/?\"\xe9", "0xE9 as byte 4, where it is not allowed: send it as %E9."),
        (b"http://a/`", "\"`\" (0x60) as byte 10, where it is not allowed: send it as %60."),
    ] {
        for (accept, as_page) in [("text/html", true), ("application/json", false)] {
            let mut client = sideman.connect();
            let fields = format!(" HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
            client.send([b"GET ", target, fields.as_bytes()].concat());
            let response = client.response();
            assert_eq!(response.status, 400);
            let text = if as_page {
                let html = response.text();
                assert!(!html.contains("has \""), "{html}");
                html.replace("&quot;", "\"").replace("&lt;", "<")
            } else {
                response.json()["message"].as_str().unwrap().to_owned()
            };
            assert!(text.contains(name), "{}: {text}", target.escape_ascii());
        }
    }
}

/// The target of the request becomes part of a Location header, which must be a valid URI.
#[test]
fn https_redirect_escapes_the_target() {
    let directory = TempDir::new();
    directory.write("a/index.html", "index");
    let application = App::saying("not asked");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.index", "index.html")
        .set("server.redirect_https", "true")
        .set("server.trusted_proxies", "127.0.0.1")
        .start();
    let response = sideman.connect().ask("GET", "/static/a?b=\"<c>|", "");
    let location = response.header("location");
    assert_eq!((response.status, location), (301, Some("/static/a/?b=%22%3Cc%3E|")));
    let response = sideman.connect().ask("GET", "/?\"", "X-Forwarded-Proto: http\r\n");
    assert_eq!(response.header("location"), Some("https://example.test/?%22"));
    let line = sideman.log_line("of the redirect", |line| line["query"] == "\"");
    assert_eq!(line["path"], "/");
}
