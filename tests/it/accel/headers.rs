//! Header fields of the response: those of the application and those of the file.

use super::{Site, TEXT, assert_silent, obedient};
use crate::support::Settings;

#[test]
fn application_headers_for_the_client_are_kept() {
    let site = Site::with(&[]);
    let response = site.get(
        "X-Accel-Redirect: /protected/a.txt\r\n\
         Set-Cookie: a=1; Path=/\r\n\
         Set-Cookie: b=2; HttpOnly\r\n\
         Content-Disposition: attachment; filename*=UTF-8''%C3%BC.txt\r\n\
         Content-Language: de\r\n\
         Content-Security-Policy: default-src 'none'\r\n\
         Strict-Transport-Security: max-age=60\r\n\
         X-Frame-Options: DENY\r\n\
         X-Custom: 1\r\n\
         X-Custom: 2\r\n\
         X-Request-Id: from-the-application\r\n\
         Link: </b.txt>; rel=next",
    );
    assert_eq!((response.status, response.text().as_str()), (200, TEXT));
    assert_eq!(response.head.all("set-cookie"), ["a=1; Path=/", "b=2; HttpOnly"]);
    assert_eq!(response.head.all("x-custom"), ["1", "2"]);
    for (name, value) in [
        ("content-disposition", "attachment; filename*=UTF-8''%C3%BC.txt"),
        ("content-language", "de"),
        ("content-security-policy", "default-src 'none'"),
        ("strict-transport-security", "max-age=60"),
        ("x-frame-options", "DENY"),
        ("x-request-id", "from-the-application"),
        ("link", "</b.txt>; rel=next"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-cache"),
        ("accept-ranges", "bytes"),
        ("content-length", "26"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_silent(&response);
}

#[test]
fn headers_about_the_replaced_body_are_dropped() {
    let site = Site::with(&[]);
    let plain = site.get("X-Accel-Redirect: /protected/a.txt");
    let response = site.get(
        "X-Accel-Redirect: /protected/a.txt\r\nETag: \"empty\"\r\nContent-Encoding: gzip\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: none\r\n\
         Content-Range: bytes 0-0/1",
    );
    assert_eq!(response.text(), TEXT);
    for name in ["etag", "last-modified", "accept-ranges"] {
        assert!(plain.head.has(name), "{name}");
        assert_eq!(response.header(name), plain.header(name), "{name}");
    }
    assert!(!response.head.has("content-encoding") && !response.head.has("content-range"));
}

#[test]
fn status_of_the_application_is_ignored() {
    let site = Site::with(&[]);
    for status in ["201 Created", "204 No Content", "302 Found", "403 Forbidden", "500 Oh"] {
        let response = site.get(format!("{status}\r\nX-Accel-Redirect: /protected/a.txt"));
        assert_eq!((response.status, response.text().as_str()), (200, TEXT), "{status}");
    }
}

#[test]
fn default_content_type_is_replaced_by_that_of_the_file() {
    let site = Site::with(&[("protected/a.png", b"png"), ("protected/a.html", b"html")]);
    for (name, said, expected) in [
        ("a.png", "", "image/png"),
        ("a.png", "Content-Type: text/html", "image/png"),
        ("a.png", "Content-Type: text/html; charset=utf-8", "image/png"),
        ("a.png", "Content-Type: TEXT/HTML;charset=\"ISO-8859-1\"", "image/png"),
        ("a.png", "Content-Type:", "image/png"),
        ("a.png", "Content-Type: image/x-other", "image/x-other"),
        ("a.png", "Content-Type: text/html; level=1", "text/html; level=1"),
        ("a.html", "Content-Type: text/html; charset=koi8-r", "text/html; charset=koi8-r"),
        ("a.html", "", "text/html; charset=utf-8"),
        ("a.html", "Content-Type: text/plain", "text/plain"),
    ] {
        let between = if said.is_empty() { "" } else { "\r\n" };
        let response = site.get(format!("X-Accel-Redirect: /protected/{name}{between}{said}"));
        assert_eq!(response.status, 200, "{name} {said}");
        assert_eq!(response.header("content-type"), Some(expected), "{name} {said}");
    }
}

#[test]
fn cache_control_of_the_application_is_kept() {
    let site = Site::with(&[("static/base.0123456789ab.css", b"css"), ("media/m.txt", b"media")]);
    for path in ["/protected/a.txt", "/static/base.0123456789ab.css", "/media/m.txt"] {
        for (said, cache_control, expires) in [
            ("", Some("private, no-cache"), None),
            ("\r\nCache-Control: public, max-age=5", Some("public, max-age=5"), None),
            ("\r\nExpires: 0", None, Some("0")),
            ("\r\nX-Accel-Expires: 60", Some("private, no-cache"), None),
        ] {
            let response = site.get(format!("X-Accel-Redirect: {path}{said}"));
            assert_eq!(response.status, 200, "{path}");
            assert_eq!(response.header("cache-control"), cache_control, "{path} {said}");
            assert_eq!(response.header("expires"), expires, "{path} {said}");
            assert_silent(&response);
        }
    }
}

#[test]
fn media_keeps_its_security_headers_unless_the_application_sets_them() {
    let site = Site::with(&[("media/a.html", b"<script>")]);
    let response = site.get("X-Accel-Redirect: /media/a.html\r\nContent-Type: text/html");
    assert_eq!(response.header("content-security-policy"), Some("sandbox"));
    assert_eq!(response.header("content-disposition"), Some("attachment"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let response = site.get(
        "X-Accel-Redirect: /media/a.html\r\nContent-Disposition: inline\r\n\
         Content-Security-Policy: sandbox allow-forms",
    );
    assert_eq!(response.header("content-security-policy"), Some("sandbox allow-forms"));
    assert_eq!(response.header("content-disposition"), Some("inline"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

/// Uploads often have names without an extension, and the application knows their type.
#[test]
fn media_security_headers_follow_the_sent_content_type() {
    let site = Site::with(&[("media/0c5d", b"content"), ("media/a.mp4", b"content")]);
    const PLAYER: &str = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'";
    for (name, said, expected) in [
        ("0c5d", "", Some("sandbox")),
        ("0c5d", "Content-Type: video/mp4", Some(PLAYER)),
        ("0c5d", "Content-Type: Audio/Ogg; codecs=opus", Some(PLAYER)),
        ("0c5d", "Content-Type: application/pdf", None),
        ("0c5d", "Content-Type: image/svg+xml", Some("sandbox")),
        ("a.mp4", "", Some(PLAYER)),
        ("a.mp4", "Content-Type: image/svg+xml", Some("sandbox")),
        ("a.mp4", "Content-Type: video/x+xml", Some("sandbox")),
        ("a.mp4", "Content-Type: video/mp4\r\nContent-Type: text/html", Some("sandbox")),
        ("a.mp4", "Content-Type: video", Some("sandbox")),
        ("a.mp4", "Content-Security-Policy: sandbox allow-forms", Some("sandbox allow-forms")),
    ] {
        let between = if said.is_empty() { "" } else { "\r\n" };
        let response = site.get(format!("X-Accel-Redirect: /media/{name}{between}{said}"));
        let policy = response.header("content-security-policy");
        assert_eq!(policy, expected, "{name} {said}");
    }
}

#[test]
fn accel_headers_never_reach_the_client() {
    let application = obedient();
    let sideman = Settings::before(&application.url()).start();
    let said = "X-Accel-Expires: 60\r\nX-Accel-Limit-Rate: 1000000\r\nX-Accel-Buffering: yes\r\n\
                X-Accel-Charset: utf-8\r\nx-accel-anything: 1\r\nX-Accelerator: shown";
    for status in ["200 OK", "404 Not Found", "204 No Content", "302 Found"] {
        let response = sideman.get(&super::path(format!("{status}\r\n{said}")));
        assert!(status.starts_with(&response.status.to_string()));
        assert_eq!(response.header("x-accelerator"), Some("shown"));
        assert_silent(&response);
    }
    // Also without any prefix, if a file is named.
    for said in ["X-Accel-Redirect: /etc/passwd", "X-Sendfile: /etc/passwd"] {
        let response = sideman.get(&super::path(said));
        assert_eq!(response.status, 502);
        assert_silent(&response);
    }
}

#[test]
fn charset_is_that_of_the_file_or_of_the_application() {
    let site = Site::with(&[("protected/a.png", b"png")]);
    for (said, expected) in [
        ("X-Accel-Redirect: /protected/a.txt", "text/plain; charset=koi8-r"),
        (
            "X-Accel-Redirect: /protected/a.txt\r\nContent-Type: text/csv; charset=utf-8",
            "text/csv; charset=koi8-r",
        ),
        ("X-Accel-Redirect: /protected/a.png", "image/png"),
        ("Content-Type: text/html", "text/html; charset=koi8-r"),
        ("Content-Type: text/html; charset=utf-8", "text/html; charset=koi8-r"),
        ("Content-Type: application/json", "application/json"),
    ] {
        let response = site.get(format!("X-Accel-Charset: koi8-r\r\n{said}"));
        assert_eq!(response.status, 200, "{said}");
        assert_eq!(response.header("content-type"), Some(expected), "{said}");
        assert_silent(&response);
    }
    let untouched = site.get("X-Accel-Charset: a b\r\nContent-Type: text/html; charset=utf-8");
    assert_eq!(untouched.header("content-type"), Some("text/html; charset=utf-8"));
}
