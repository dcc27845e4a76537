//! Which responses are compressed, and what their headers say.

use sideman::rfc::encoding::Coding;

use super::{CODINGS, application, decoded, page, reply};
use crate::support::{App, Response, Settings};

fn coding(response: &Response) -> Option<&str> {
    response.header("content-encoding")
}

#[test]
fn pages_are_compressed_in_every_coding() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (number, coding) in (1..).zip(CODINGS) {
        for target in ["/length", "/chunked"] {
            let fields = format!(
                "Accept-Encoding: {}\r\nX-Fields: ETag: \"a\";Accept-Ranges: bytes;Vary: Cookie;Content-MD5: x;\
                 Repr-Digest: x;Cache-Control: private\r\n",
                coding.token()
            );
            let response = client.ask("GET", target, &fields);
            assert_eq!(response.header("content-encoding"), Some(coding.token()), "{target}");
            assert_eq!(decoded(coding, &response.body), page());
            assert!(response.body.len() < page().len() / 5, "{}", response.body.len());
            // It was here as a whole.
            let length = response.body.len().to_string();
            assert_eq!(response.header("content-length"), Some(length.as_str()));
            assert_eq!(response.header("etag"), Some("W/\"a\""));
            assert_eq!(response.head.all("vary"), ["Cookie, Accept-Encoding"]);
            for gone in ["accept-ranges", "content-md5", "repr-digest"] {
                assert_eq!(response.header(gone), None);
            }
            assert_eq!(response.header("cache-control"), Some("private"));
        }
        let counted = [("coding", coding.token())];
        sideman.until_metric("sideman_compressed_responses_total", &counted, 2.0);
        let read = (page().len() * 2 * number) as f64;
        sideman.until_metric("sideman_compression_read_bytes_total", &[], read);
    }
    let written = sideman.metric("sideman_compression_written_bytes_total", &[]);
    assert!(written > 0.0 && written < (page().len() * 6 / 5) as f64, "{written}");
    assert!(sideman.metric("sideman_compression_cpu_seconds_total", &[]) > 0.0);
    sideman.until_metric("sideman_buffer_bytes", &[("kind", "memory")], 0.0);
}

#[test]
fn the_length_of_a_page_is_random() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for coding in CODINGS {
        let fields = format!("Accept-Encoding: {}\r\n", coding.token());
        let mut lengths: Vec<usize> =
            (0..40).map(|_| client.ask("GET", "/", &fields).body.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        assert!(lengths.len() > 10, "{coding:?}: {lengths:?}");
    }
}

#[test]
fn clients_choose() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (fields, expected) in [
        ("Accept-Encoding: gzip, deflate, br, zstd\r\n", Some("zstd")),
        ("Accept-Encoding: gzip, deflate, br\r\n", Some("br")),
        ("Accept-Encoding: br;q=0.5, gzip\r\n", Some("gzip")),
        ("Accept-Encoding: identity, gzip;q=0.5\r\n", None),
        ("Accept-Encoding: gzip;q=0\r\n", None),
        ("", None),
    ] {
        let response = client.ask("GET", "/", fields);
        assert_eq!(coding(&response), expected, "{fields}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"), "{fields}");
        if expected.is_none() {
            assert_eq!(response.text(), page());
        }
    }
    // A Vary of the application is joined, and one that names the codings is forwarded as it is.
    let response = client.ask("GET", "/", "X-Fields: Vary: Cookie\r\n");
    assert_eq!(response.head.all("vary"), ["Cookie, Accept-Encoding"]);
    let response = client.ask("GET", "/", "X-Fields: Vary: accept-encoding\r\n");
    assert_eq!(response.head.all("vary"), ["accept-encoding"]);
}

#[test]
fn some_responses_are_never_compressed() {
    let short = "s".repeat(1023);
    let application = App::start(move |request| {
        let fields = request.head.get("x-fields").unwrap_or_default().replace(';', "\r\n");
        let text = if request.target() == "/short" { short.clone() } else { page() };
        reply(request, &format!("{fields}\r\n"), &text)
    });
    let sideman = Settings::before(&application.url())
        .route("off", &[("path", "/off/"), ("compress", "false")])
        .route("on", &[("path", "/off/on/"), ("compress", "true")])
        .start();
    let mut client = sideman.connect();
    for (target, status, fields, expected) in [
        ("/", "200 OK", "Content-Type: text/html", Some("zstd")),
        ("/", "404 Not Found", "Content-Type: text/html", Some("zstd")),
        ("/", "500 Oh", "Content-Type: application/json", Some("zstd")),
        ("/short", "200 OK", "Content-Type: text/html", None),
        ("/", "200 OK", "Content-Type: image/png", None),
        ("/", "200 OK", "X-A: no type", None),
        ("/", "200 OK", "Content-Type: text/event-stream", None),
        ("/", "200 OK", "Content-Type: text/html;Cache-Control: no-transform", None),
        ("/", "206 Partial Content", "Content-Type: text/html;Content-Range: bytes 0-1/2", None),
        ("/off/", "200 OK", "Content-Type: text/html", None),
        ("/off/on/", "200 OK", "Content-Type: text/html", Some("zstd")),
    ] {
        let asked =
            format!("Accept-Encoding: zstd\r\nX-Status: {status}\r\nX-Fields: {fields}\r\n");
        let response = client.ask("GET", target, &asked);
        assert_eq!(coding(&response), expected, "{target} {status} {fields}");
        assert_eq!(response.header("vary"), expected.and(Some("Accept-Encoding")), "{fields}");
        let form = if expected.is_some() { Coding::Zstd } else { Coding::Identity };
        let text = decoded(form, &response.body);
        assert_eq!(text.len(), if target == "/short" { 1023 } else { page().len() });
    }
    // What the application has compressed is its own matter.
    let fields = "Content-Type: text/html;Content-Encoding: gzip;ETag: \"a\"";
    let asked = format!("Accept-Encoding: zstd, gzip\r\nX-Fields: {fields}\r\n");
    let response = client.ask("GET", "/", &asked);
    assert_eq!((coding(&response), response.header("etag")), (Some("gzip"), Some("\"a\"")));
    assert_eq!((response.text(), response.header("vary")), (page(), None));
}

#[test]
fn compression_can_be_off() {
    let application = application();
    let sideman =
        Settings::before(&application.url()).set("compression.responses", "false").start();
    let response = sideman.connect().ask("GET", "/", "Accept-Encoding: zstd\r\n");
    assert_eq!((coding(&response), response.header("vary")), (None, None));
    assert_eq!(response.text(), page());
}

#[test]
fn head_has_the_fields_of_get() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    let fields = "Accept-Encoding: br\r\nX-Fields: ETag: \"a\"\r\n";
    let get = client.ask("GET", "/", fields);
    let head = client.ask("HEAD", "/", fields);
    for name in ["content-encoding", "etag", "vary", "content-type"] {
        assert!(head.header(name).is_some(), "{name}");
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    // The length of the coded form is not known.
    assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (None, None));
    assert_eq!(client.get("/").text(), page());
}

#[test]
fn conditions_work_with_the_weak_tag() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (condition, tag) in
        [("W/\"a\"", "W/\"a\""), ("\"x\", W/\"a\"", "W/\"a\""), ("\"a\"", "\"a\""), ("*", "\"a\"")]
    {
        let fields = format!(
            "Accept-Encoding: br\r\nIf-None-Match: {condition}\r\nX-Status: 304 Not Modified\r\n\
             X-Fields: ETag: \"a\"\r\n"
        );
        let response = client.ask("GET", "/", &fields);
        assert_eq!((response.status, response.header("etag")), (304, Some(tag)), "{condition}");
    }
}

#[test]
fn requests_from_other_sites_with_a_session_get_no_compressed_page() {
    let application = application();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for (fields, expected) in [
        ("Sec-Fetch-Site: cross-site\r\nCookie: sessionid=a\r\n", None),
        ("Sec-Fetch-Site: cross-site\r\nAuthorization: Token a\r\n", None),
        ("Sec-Fetch-Site: cross-site\r\n", Some("zstd")),
        ("Sec-Fetch-Site: same-origin\r\nCookie: sessionid=a\r\n", Some("zstd")),
    ] {
        let response = client.ask("GET", "/", &format!("Accept-Encoding: zstd\r\n{fields}"));
        assert_eq!(coding(&response), expected, "{fields}");
    }
    let counted = [("reason", "cross_site")];
    sideman.until_metric("sideman_uncompressed_responses_total", &counted, 2.0);
}
