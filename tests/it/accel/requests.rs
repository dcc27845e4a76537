//! Which parts of the client's request apply to the file.

use super::{Site, TEXT, assert_silent};
use crate::support::Response;

const ACCEL_HEADERS: &str = "X-Accel-Redirect: /protected/a.txt\r\nSet-Cookie: a=1\r\nX-Frame-Options: DENY\r\n\
                    Content-Type: image/x-test\r\nContent-Disposition: attachment; filename=b.txt";

/// Headers that every response keeps, with and without a file.
#[track_caller]
fn assert_kept(response: &Response) {
    assert_eq!(response.header("set-cookie"), Some("a=1"));
    assert_eq!(response.header("x-frame-options"), Some("DENY"));
    assert!(response.head.has("x-request-id"));
    assert_silent(response);
}

#[test]
fn head_gets_no_body_and_other_methods_get_the_file() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    let target = super::path(ACCEL_HEADERS);
    let get = client.get(&target);
    assert_eq!((get.status, get.text().as_str()), (200, TEXT));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        let etag = get.header("etag").unwrap();
        let conditions = format!(
            "Range: bytes=0-4\r\nIf-None-Match: {etag}\r\nIf-Match: \"other\"\r\n\
             If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n"
        );
        let response = client.ask(method, &target, &conditions);
        assert_eq!((response.status, response.text().as_str()), (200, TEXT), "{method}");
        assert_eq!(response.header("content-disposition"), Some("attachment; filename=b.txt"));
        assert_kept(&response);
    }
    let head = client.ask("HEAD", &target, "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "last-modified", "cache-control"] {
        assert!(head.head.has(name), "{name}");
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_kept(&head);
    // The response to HEAD had no body byte.
    assert_eq!(client.post(&target, "", b"form").text(), TEXT);
    let line = site.sideman.log_line("POST", |line| line["method"] == "POST");
    assert_eq!((&line["route"], &line["status"]), (&"accel".into(), &200.into()));
}

#[test]
fn ranges_of_the_file_are_served() {
    let site = Site::with(&[]);
    for (range, status, body, content_range) in [
        ("bytes=0-4", 206, "abcde", Some("bytes 0-4/26")),
        ("bytes=-3", 206, "xyz", Some("bytes 23-25/26")),
        ("bytes=20-", 206, "uvwxyz", Some("bytes 20-25/26")),
        ("bytes=26-", 416, "", Some("bytes */26")),
        ("lines=1-2", 200, TEXT, None),
    ] {
        let response = site.ask("GET", ACCEL_HEADERS, &format!("Range: {range}\r\n"));
        assert_eq!((response.status, response.text().as_str()), (status, body), "{range}");
        assert_eq!(response.header("content-range"), content_range, "{range}");
        assert_kept(&response);
        let is_file = status != 416;
        let expected = is_file.then_some("image/x-test");
        assert_eq!(response.header("content-type"), expected, "{range}");
        assert_eq!(response.head.has("content-disposition"), is_file, "{range}");
        let caching = if is_file { "private, no-cache" } else { "no-store" };
        assert_eq!(response.header("cache-control"), Some(caching), "{range}");
    }
    let etag = site.get(ACCEL_HEADERS).header("etag").unwrap().to_owned();
    for (validator, status) in [(etag.as_str(), 206), ("\"other\"", 200)] {
        let fields = format!("Range: bytes=0-4\r\nIf-Range: {validator}\r\n");
        assert_eq!(site.ask("GET", ACCEL_HEADERS, &fields).status, status, "{validator}");
    }
}

#[test]
fn several_ranges_are_sent_as_multipart() {
    // Ranges near each other would be sent as one.
    let long = format!("{TEXT}{}{TEXT}", "-".repeat(10_000 - 2 * TEXT.len()));
    let site = Site::with(&[("protected/a.txt", long.as_bytes())]);
    let response = site.ask("GET", ACCEL_HEADERS, "Range: bytes=0-1,-2\r\n");
    assert_eq!(response.status, 206);
    let media_type = response.header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "--{boundary}\r\nContent-Type: image/x-test\r\nContent-Range: bytes {range}/10000\r\n\r\n\
             {text}\r\n"
        )
    };
    let expected = format!("{}{}--{boundary}--\r\n", part("0-1", "ab"), part("9998-9999", "yz"));
    assert_eq!(response.text(), expected);
    assert_kept(&response);
}

#[test]
fn conditional_requests_compare_the_file() {
    let site = Site::with(&[]);
    let whole = site.get(ACCEL_HEADERS);
    let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    for (fields, status) in [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: \"x\", W/{etag}"), 304),
        ("If-None-Match: *".into(), 304),
        ("If-None-Match: \"x\"".into(), 200),
        (format!("If-Modified-Since: {modified}"), 304),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT".into(), 200),
        (format!("If-Match: {etag}"), 200),
        ("If-Match: \"x\"".into(), 412),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT".into(), 412),
    ] {
        for method in ["GET", "HEAD"] {
            let response = site.ask(method, ACCEL_HEADERS, &format!("{fields}\r\n"));
            assert_eq!(response.status, status, "{method} {fields}");
            assert_kept(&response);
            assert_eq!(response.header("etag"), Some(etag), "{fields}");
            // Only the response with the file has headers about its contents.
            for name in ["content-type", "content-disposition"] {
                assert_eq!(response.head.has(name), status == 200, "{fields} {name}");
            }
            let caching = if status == 412 { "no-store" } else { "private, no-cache" };
            assert_eq!(response.header("cache-control"), Some(caching), "{fields}");
        }
    }
    let renewed = "X-Accel-Redirect: /protected/a.txt\r\nCache-Control: max-age=5\r\nExpires: 0\r\n\
                   Vary: Cookie";
    let response = site.ask("GET", renewed, &format!("If-None-Match: {etag}\r\n"));
    assert_eq!(response.status, 304);
    assert_eq!(response.header("cache-control"), Some("max-age=5"));
    assert_eq!(response.header("expires"), Some("0"));
    assert!(response.header("vary").unwrap().starts_with("Cookie"));
}

#[test]
fn precompressed_files_follow_accept_encoding() {
    let site = Site::with(&[("static/b.css", &b"body { color: red }"[..])]);
    site.directory.write("static/b.css.gz", "compressed");
    let said = "X-Accel-Redirect: /static/b.css\r\nContent-Type: text/html; charset=utf-8\r\n\
                Vary: Cookie\r\nContent-Encoding: br";
    for method in ["GET", "POST"] {
        let packed = site.ask(method, said, "Accept-Encoding: gzip\r\n");
        assert_eq!(packed.text(), "compressed", "{method}");
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(packed.header("content-type"), Some("text/css; charset=utf-8"));
        assert_eq!(packed.header("vary"), Some("Cookie, accept-encoding"));
    }
    let plain = site.get(said);
    assert_eq!(plain.text(), "body { color: red }");
    assert!(!plain.head.has("content-encoding"));
    assert_eq!(plain.header("vary"), Some("Cookie, accept-encoding"));
    let none = site.ask("GET", said, "Accept-Encoding: identity;q=0, br;q=0, gzip;q=0\r\n");
    assert_eq!(none.status, 406);
    assert_silent(&none);
}

#[test]
fn uploads_are_served_without_precompressed_files() {
    let site = Site::with(&[("protected/b.txt", b"theirs"), ("media/b.txt", b"theirs")]);
    for (prefix, coding) in ["protected", "media"].iter().flat_map(|prefix| {
        [("br", "br"), ("zst", "zstd"), ("gz", "gzip")].map(|(suffix, coding)| {
            site.directory.write(&format!("{prefix}/b.txt.{suffix}"), "somebody else's");
            (prefix, coding)
        })
    }) {
        let said = format!("X-Accel-Redirect: /{prefix}/b.txt");
        let accepted = format!("Accept-Encoding: {coding}\r\n");
        let mut client = site.sideman.connect();
        for path in [super::path(&said), "/media/b.txt".to_owned()] {
            let response = client.ask("GET", &path, &accepted);
            assert_eq!((response.status, response.text().as_str()), (200, "theirs"), "{said}");
            assert!(!response.head.has("content-encoding") && !response.head.has("vary"));
        }
    }
    // The compressed file is served under its own name.
    assert_eq!(site.sideman.get("/media/b.txt.gz").text(), "somebody else's");
}

#[test]
fn http_1_0_client_gets_the_file() {
    let site = Site::with(&[]);
    let mut client = site.sideman.connect();
    client.send(format!("GET {} HTTP/1.0\r\n\r\n", super::path(ACCEL_HEADERS)));
    let answer = String::from_utf8(client.until_closed()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    assert!(head.to_lowercase().contains("content-length: 26"), "{head}");
    assert_eq!(body, TEXT);
}
