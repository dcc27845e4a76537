//! Request lines and headers, in both directions.

use super::{KEEP_ALIVE, kept};
use crate::support::{App, Origin, Settings, Transport, close, expect, send};

#[test]
fn request_target_is_forwarded_byte_for_byte() {
    let application =
        App::start(|request| App::reply(format!("[{}]", request.target()).as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for target in [
        "/",
        "/?",
        "/??",
        "/a?",
        "/a;",
        "/a;x=y;z/b;c?d;e",
        "///",
        "/a?x=1&y=%20&x=2",
        "/a%2Fb//c/./d/../e",
        "/%7Euser/%e2%98%83/%E2%98%83",
        "//double//",
        "/;p=1,2:@!$&'()*+",
        "/a+b?c+d",
        "/?next=http://other.test/a?b",
        "/a%00b%0d%0aX:y",
        "/%",
        "/%zz",
        "/a|b{c}\"?x=a|b^c`d{e}",
        "/caf\u{e9}?\u{e9}",
        "/..%2f..%2fetc/passwd",
    ] {
        let response = client.get(target);
        // The client's text is UTF-8; the origin shows each byte as a character.
        let bytes: String = target.bytes().map(char::from).collect();
        assert_eq!(response.text(), format!("[{bytes}]"), "{target}");
    }
}

/// A target is ASCII; UTF-8 is accepted because browsers' address bars send it. Servers may interpret other
/// bytes differently.
#[test]
fn target_that_is_not_utf8_is_refused() {
    let application = App::saying("served");
    let sideman = Settings::before(&application.url()).start();
    for target in [&b"/caf\xe9"[..], b"/?\xff", b"/\xc3"] {
        let mut client = sideman.connect();
        client.send([b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert_eq!(client.response().status, 400, "{}", target.escape_ascii());
    }
    assert_eq!(application.requests(), 0);
}

#[test]
fn methods_are_forwarded_unchanged() {
    let application = App::start(|request| App::reply(request.method().as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for method in
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "get"]
    {
        assert_eq!(client.ask(method, "/", "").text(), method);
    }
}

#[test]
fn host_is_forwarded_unchanged() {
    let application =
        App::start(|request| App::reply(request.head.all("host").join(" and ").as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for host in ["example.test", "Example.TEST:8443", "127.0.0.1", "[::1]:8000", "xn--4ca.test"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().text(), host);
    }
    // The absolute form contains the host (RFC 9112, 3.2.2).
    client.send("GET http://Real.test:81/a?b HTTP/1.1\r\nHost: real.test:81\r\n\r\n");
    assert_eq!(client.response().text(), "Real.test:81");
}

#[test]
fn absolute_form_becomes_origin_form() {
    let application = App::start(|request| App::reply(request.target().as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (target, expected) in [
        ("http://real.test/a?b=c", "/a?b=c"),
        ("http://real.test", "/"),
        ("HTTP://real.test/%2e%2e/x", "/%2e%2e/x"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: real.test\r\n\r\n"));
        assert_eq!(client.response().text(), expected, "{target}");
    }
    // RFC 9112, 3.2.4: without a path this is about the server as a whole.
    for (target, expected) in [("http://real.test", "*"), ("http://real.test/", "/")] {
        client.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: real.test\r\n\r\n"));
        assert_eq!(client.response().text(), expected, "{target}");
    }
}

#[test]
fn end_to_end_fields_arrive_in_order() {
    let origin = Origin::script([expect("GET / "), send(kept("done")), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    client.send(
        b"GET / HTTP/1.1\r\nHost: example.test\r\nCookie: a=1; b=\"2\"\r\nX-Two: one\r\n\
          X-Other:\t padded \t\r\nX-Two: two\r\nX-Empty:\r\nX-Bytes: caf\xe9\r\n\
          Authorization: Basic YTpi\r\nAccept-Encoding: br, gzip\r\nRange: bytes=0-1\r\n\
          If-None-Match: \"x\"\r\nX-CSRFToken: t\r\n\r\n",
    );
    assert_eq!(client.response().text(), "done");
    let head = origin.request(0).head;
    for (name, values) in [
        ("cookie", &["a=1; b=\"2\""][..]),
        ("x-two", &["one", "two"]),
        ("x-other", &["padded"]),
        ("x-empty", &[""]),
        ("x-bytes", &["caf\u{e9}"]),
        ("authorization", &["Basic YTpi"]),
        ("accept-encoding", &["br, gzip"]),
        ("range", &["bytes=0-1"]),
        ("if-none-match", &["\"x\""]),
        ("x-csrftoken", &["t"]),
    ] {
        assert_eq!(head.all(name), values, "{name}");
    }
}

#[test]
fn connection_headers_of_the_client_are_not_forwarded() {
    let origin = Origin::script([expect("GET / "), send(kept("done")), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let mut client = sideman.connect();
    let fields = "Connection: keep-alive, X-Drop , x-drop-too,\r\nX-Drop: 1\r\nX-DROP-TOO: 1\r\n\
                  Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n\
                  Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nTrailer: X-Late\r\nX-Kept: 1\r\n";
    assert_eq!(client.ask("GET", "/", fields).text(), "done");
    let head = origin.request(0).head;
    for name in [
        "x-drop",
        "x-drop-too",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "http2-settings",
        "trailer",
        "transfer-encoding",
        "content-length",
    ] {
        assert!(!head.has(name), "{name}: {head:?}");
    }
    assert_eq!(head.get("x-kept"), Some("1"));
    let connection = head.all("connection").join(",").to_lowercase();
    assert!(!connection.contains("x-drop"), "{connection}");
}

#[test]
fn connection_header_cannot_remove_required_headers() {
    let application = App::start(|request| {
        let head = &request.head;
        let names = [
            "host",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-real-ip",
            "x-request-id",
        ];
        let counts: Vec<usize> = names.map(|name| head.all(name).len()).to_vec();
        App::reply(format!("{counts:?} {}", String::from_utf8_lossy(&request.body)).as_bytes())
    });
    let sideman = Settings::before(&application.url()).start();
    let fields = "Connection: Host, Content-Length, X-Forwarded-For, X-Forwarded-Proto, \
                  X-Forwarded-Port, X-Real-IP, X-Request-ID\r\n";
    let response = sideman.connect().post("/", fields, b"body");
    assert_eq!(response.text(), "[1, 1, 1, 1, 1, 1] body");
}

/// Nor the client's address: a proxy that forwards `Connection` would otherwise hide it.
#[test]
fn connection_header_cannot_hide_the_client() {
    let application = App::start(|request| {
        let head = &request.head;
        let shown = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "cookie"]
            .map(|name| head.all(name).join("|"));
        App::reply(shown.join(" ").as_bytes())
    });
    let sideman =
        Settings::before(&application.url()).set("server.trusted_proxies", "127.0.0.0/8").start();
    let fields = "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port, Cookie\r\n\
                  X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Port: 8443\r\nCookie: a=1\r\n";
    // Its own listed headers are removed, as it requested (RFC 9110, 7.6.1).
    assert_eq!(sideman.connect().ask("GET", "/", fields).text(), "203.0.113.7 https 8443 ");
}

#[test]
fn connection_headers_of_the_application_are_not_forwarded() {
    let answer = format!(
        "{KEEP_ALIVE}Connection: X-Drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nTrailer: X-Late\r\nX-Kept: 1\r\n\
         Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-Bytes: caf"
    );
    let answer =
        [answer.as_bytes(), b"\xe9\r\nServer: tester\r\nDate: Thu, 01 Jan 1998 00:00:00 GMT\r\n"]
            .concat();
    let answer = [&answer[..], b"Content-Length: 4\r\n\r\ndone"].concat();
    let origin = Origin::script([expect("GET / "), send(answer), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let response = sideman.get("/");
    assert_eq!(response.text(), "done");
    let head = &response.head;
    for name in ["x-drop", "keep-alive", "proxy-connection", "upgrade", "trailer"] {
        assert!(!head.has(name), "{name}: {head:?}");
    }
    assert_eq!(head.all("set-cookie"), ["a=1; Path=/", "b=2"]);
    assert_eq!(head.get("x-kept"), Some("1"));
    assert_eq!(head.get("x-bytes"), Some("caf\u{e9}"));
    assert_eq!(head.get("server"), Some("tester"));
    assert_eq!(head.get("date"), Some("Thu, 01 Jan 1998 00:00:00 GMT"));
    assert_eq!(head.get("content-length"), Some("4"));
}

#[test]
fn statuses_are_forwarded() {
    let application = App::start(|request| {
        let status = request.target().trim_start_matches('/');
        format!("HTTP/1.1 {status} Odd\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
            .into_bytes()
    });
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for status in [200, 201, 206, 226, 299, 300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409]
        .into_iter()
        .chain([410, 413, 418, 422, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 599])
    {
        let response = client.get(&format!("/{status}"));
        assert_eq!((response.status, response.text().as_str()), (status, "ok"));
    }
}

#[test]
fn many_headers_are_forwarded() {
    let cookies: String = (0..80).map(|n| format!("Set-Cookie: c{n}={n}\r\n")).collect();
    let answer = format!("{KEEP_ALIVE}{cookies}Content-Length: 4\r\n\r\ndone");
    let origin = Origin::script([expect("GET / "), send(answer), close()]);
    let sideman = Settings::before(&origin.url()).start();
    let fields: String = (0..60).map(|n| format!("X-Field-{n}: {n}\r\n")).collect();
    let response = sideman.connect().ask("GET", "/", &format!("{fields}X-Long: {:08000}\r\n", 0));
    assert_eq!(response.head.all("set-cookie").len(), 80);
    let head = origin.request(0).head;
    assert!((0..60).all(|n| head.get(&format!("x-field-{n}")) == Some(n.to_string().as_str())));
    assert_eq!(head.get("x-long").map(str::len), Some(8000));
}

#[test]
fn max_forwards_of_options_is_decremented() {
    for transport in Transport::ALL {
        let script = vec![expect("OPTIONS /a "), send(kept("passed")), close()];
        let origin = Origin::reached(transport, [script]);
        let sideman = origin.settings().start();
        for target in ["/a", "*"] {
            let response = sideman.connect().ask("OPTIONS", target, "Max-Forwards: 0\r\n");
            assert_eq!(
                (response.status, response.text().as_str()),
                (204, ""),
                "{transport:?} {target}"
            );
            let allow = response.header("allow").unwrap();
            assert!(allow.contains("GET") && allow.contains("OPTIONS"), "{allow}");
        }
        let response = sideman.connect().ask("OPTIONS", "/a", "Max-Forwards: 10\r\n");
        assert_eq!((response.status, response.text().as_str()), (200, "passed"), "{transport:?}");
        assert_eq!(origin.request(0).head.all("max-forwards"), ["9"], "{transport:?}");
    }
}

/// With other methods, and if it is not a number, it is ignored (RFC 9110, 7.6.2).
#[test]
fn max_forwards_of_other_methods_is_unchanged() {
    let application =
        App::start(|request| App::reply(request.head.all("max-forwards").join(" and ").as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    for (method, fields, seen) in [
        ("GET", "Max-Forwards: 0\r\n", "0"),
        ("OPTIONS", "Max-Forwards: none\r\n", "none"),
        ("OPTIONS", "Max-Forwards: 0\r\nMax-Forwards: 0\r\n", "0 and 0"),
        ("OPTIONS", "Max-Forwards: 99999999999999999999999\r\n", "18446744073709551614"),
    ] {
        let response = sideman.connect().ask(method, "/", fields);
        assert_eq!((response.status, response.text().as_str()), (200, seen), "{method} {fields}");
    }
    let response = sideman.connect().ask("TRACE", "/", "Max-Forwards: 0\r\n");
    assert_eq!(response.status, 405);
}
