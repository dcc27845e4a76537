//! Response headers that are set, added or removed by path.

use crate::support::{App, Settings, Sideman, TempDir};

fn start() -> (App, TempDir, Sideman) {
    let application = App::start(|request| {
        if request.target() == "/nonsense" {
            return b"nonsense\r\n\r\n".to_vec();
        }
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nServer: tester\r\nVary: Accept\r\n\
          X-Frame-Options: ALLOW\r\nX-Frame-Options: TWICE\r\nContent-Length: 4\r\n\r\nhere"
            .to_vec()
    });
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("server.trusted_proxies", "127.0.0.0/8")
        .set("server.redirect_https", "true")
        .set("route.all.response_headers", "set X-Frame-Options: DENY, remove Server")
        .route("api", &[("path", "/api/"), ("response_headers", "add Vary: Origin")])
        .route(
            "v2",
            &[("path", "/api/v2/"), ("response_headers", "set X-Frame-Options: SAMEORIGIN")],
        )
        .route("static", &[("path", "/static/"), ("response_headers", "set X-Static: yes")])
        .start();
    (application, directory, sideman)
}

#[test]
fn response_headers_are_changed_by_path() {
    let (_application, _directory, sideman) = start();
    let mut client = sideman.connect();
    for (target, options, vary) in [
        ("/", "DENY", &["Accept"][..]),
        ("/api", "DENY", &["Accept"]),
        ("/api/", "DENY", &["Accept", "Origin"]),
        ("/api/x?y", "DENY", &["Accept", "Origin"]),
        // Rules match the decoded path without dot segments, like all path settings.
        ("/%61pi/x", "DENY", &["Accept", "Origin"]),
        ("/x/../api/x", "DENY", &["Accept", "Origin"]),
        ("//api//x", "DENY", &["Accept", "Origin"]),
        ("/api/../x", "DENY", &["Accept"]),
        ("/API/x", "DENY", &["Accept"]),
        // The changes of the most specific route are applied last.
        ("/api/v2/x", "SAMEORIGIN", &["Accept", "Origin"]),
        ("/%zz", "DENY", &["Accept"]),
    ] {
        let response = client.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, "here"), "{target}");
        assert_eq!(response.header("x-frame-options"), Some(options), "{target}");
        assert_eq!(response.head.all("vary"), vary, "{target}");
        assert!(!response.head.has("server"), "{target}");
        assert!(!response.head.has("x-static"), "{target}");
    }
}

#[test]
fn header_rules_apply_to_own_responses() {
    let (_application, _directory, sideman) = start();
    let tag = sideman.get("/static/a.txt").header("etag").unwrap().to_owned();
    let known = format!("If-None-Match: {tag}\r\n");
    for (method, target, fields, status) in [
        ("GET", "/static/a.txt", "", 200),
        ("HEAD", "/static/a.txt", "", 200),
        ("GET", "/static/a.txt", "Range: bytes=0-1\r\n", 206),
        ("GET", "/static/a.txt", known.as_str(), 304),
        ("GET", "/static/none.css", "", 404),
        ("POST", "/static/a.txt", "", 405),
        ("GET", "/static/%zz", "", 400),
        ("GET", "/nonsense", "", 502),
        ("GET", "/", "X-Forwarded-Proto: http\r\n", 301),
        ("OPTIONS", "*", "", 200),
    ] {
        let response = sideman.connect().ask(method, target, fields);
        assert_eq!(response.status, status, "{method} {target}");
        assert_eq!(response.header("x-frame-options"), Some("DENY"), "{method} {target}");
        let is_static = target.starts_with("/static/");
        assert_eq!(response.head.has("x-static"), is_static, "{method} {target}");
    }
}

#[test]
fn header_rules_skip_health_checks() {
    let (_application, _directory, sideman) = start();
    let sideman = sideman.until_ready();
    for path in ["/healthz", "/readyz"] {
        let response = sideman.get(path);
        assert_eq!(response.status, 200);
        assert!(!response.head.has("x-frame-options"), "{path}");
    }
}
