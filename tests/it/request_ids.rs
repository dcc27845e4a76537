//! Every response has a request id, whether it comes from Sideman or the application.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use crate::support::{App, Http2, Settings, Sideman, TempDir};

const ID: &str = "X-Request-ID: the-id\r\n";

/// The requests, and the expected status of each.
const ASKED: &[(&str, &str, &str, u16)] = &[
    ("GET", "/", "", 200),
    ("HEAD", "/", "", 200),
    ("GET", "/static/a.txt", "", 200),
    ("HEAD", "/static/a.txt", "", 200),
    ("GET", "/static/a.txt", "Range: bytes=0-1\r\n", 206),
    ("GET", "/static/a.txt", "Range: bytes=0-0,2-3\r\n", 206),
    ("GET", "/static/a.txt", "Range: bytes=100-\r\n", 416),
    ("GET", "/static/a.txt", "If-None-Match: *\r\n", 304),
    ("GET", "/static/a.txt", "If-Match: \"other\"\r\n", 412),
    ("GET", "/static/large.bin", "", 200),
    ("OPTIONS", "/static/a.txt", "", 204),
    ("DELETE", "/static/a.txt", "", 405),
    ("GET", "/static/none.txt", "", 404),
    ("GET", "/static/none.0123456789ab.css", "", 404),
    ("GET", "/static/directory", "", 301),
    ("GET", "/static/%zz", "", 400),
    ("GET", "/media/a.txt", "", 200),
    ("GET", "/accel", "", 200),
    ("GET", "/healthz", "", 200),
    ("HEAD", "/healthz", "", 200),
    ("POST", "/healthz", "", 405),
    ("GET", "/readyz", "", 200),
    ("OPTIONS", "/", "Max-Forwards: 0\r\n", 204),
    ("GET", "/", "X-Forwarded-Proto: http\r\n", 301),
    ("TRACE", "/", "", 405),
    ("GET", "/away/", "", 502),
];

fn site() -> (App, TempDir, Sideman) {
    let directory = TempDir::new();
    directory.write("a.txt", "alphabet");
    directory.write("large.bin", "x".repeat(1 << 20));
    directory.write("directory/index.html", "index");
    // Every user may read it.
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let application = App::start(|request| match request.target() {
        "/accel" => {
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nX-Accel-Redirect: /internal/a.txt\r\n\
              Content-Length: 0\r\n\r\n"
                .to_vec()
        }
        _ => App::reply(b"ok"),
    });
    let away = crate::support::ReservedPort::new();
    let place = directory.path().display();
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.index", "index.html")
        .set("media.roots", &format!("/media/={place}"))
        .set("accel.roots", &format!("/internal/={place}"))
        .route("away", &[("path", "/away/"), ("upstream", &away.url())])
        .set("server.trusted_proxies", "127.0.0.1")
        .set("server.redirect_https", "true")
        .start()
        .until_ready();
    (application, directory, sideman)
}

#[test]
fn every_response_has_its_request_id() {
    let (_application, _directory, sideman) = site();
    for &(method, target, fields, status) in ASKED {
        let fields = format!("{ID}{fields}");
        let response = sideman.connect().ask(method, target, &fields);
        assert_eq!(response.status, status, "{method} {target} {fields}");
        let ids = response.head.all("x-request-id");
        assert_eq!(ids, ["the-id"], "{method} {target} {fields}");
    }
    // A generated id is also in the log.
    let response = sideman.get("/static/a.txt");
    let id = response.header("x-request-id").unwrap();
    let line = sideman.log_line("of the file", |line| line["request_id"] == id);
    assert_eq!(line["path"], "/static/a.txt");
}

#[test]
fn every_http2_response_has_its_request_id() {
    let (_application, _directory, sideman) = site();
    for target in ["/", "/static/a.txt", "/static/none.txt", "/healthz", "/away/"] {
        let mut client = Http2::connect(sideman.address());
        let fields = [("x-request-id", "the-id")];
        let stream = client.ask("GET", target, &fields);
        let answer = client.response(stream);
        assert_eq!(answer.header("x-request-id"), Some("the-id"), "{target}");
    }
}

/// Rules for response headers are applied after it.
#[test]
fn field_rule_may_remove_the_request_id() {
    let application = App::saying("ok");
    let sideman = Settings::before(&application.url())
        .set("route.all.response_headers", "remove X-Request-ID")
        .start();
    assert!(!sideman.get("/").head.has("x-request-id"));
}
