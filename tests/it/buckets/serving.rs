//! Objects of a bucket as files.

use std::sync::Arc;

use super::{S3, assert_clean, error, object, response, signed};
use crate::support::{App, Client, Gate, Settings, TempDir, eventually_is, pattern};

#[test]
fn object_is_sent_with_its_fields_and_hardened() {
    let s3 = S3::saying(
        "ETag: \"e\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: image/png\r\n\
         Set-Cookie: a=b\r\n",
        b"png",
    );
    let site = s3.site();
    let response = site.sideman.get("/media/a/b.png");
    assert_eq!((response.status, response.text().as_str()), (200, "png"));
    for (name, value) in [
        ("etag", Some("\"e\"")),
        ("last-modified", Some("Sun, 06 Nov 1994 08:49:37 GMT")),
        ("content-type", Some("image/png")),
        ("content-length", Some("3")),
        ("accept-ranges", Some("bytes")),
        ("cache-control", Some("public, max-age=60")),
        ("x-content-type-options", Some("nosniff")),
        ("content-security-policy", Some("sandbox")),
        ("content-disposition", None),
        ("set-cookie", None),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    assert_clean(&response);
    assert_eq!(s3.last().target(), "/site/up/a/b.png");
    site.sideman.until_metric("sideman_bucket_requests_total", &[("result", "sent")], 1.0);
    assert_eq!(site.sideman.log_of("/media/a/b.png")["route"], "media");
}

#[test]
fn types_that_run_scripts_are_attachments() {
    for stored in
        ["text/html", "image/svg+xml; charset=utf-8", "nonsense", "video/mp4; a=b, text/html"]
    {
        let head = format!("Content-Type: {stored}\r\nContent-Disposition: inline\r\n");
        let s3 = S3::saying(&head, b"<script>");
        let site = s3.site();
        let response = site.sideman.get("/media/a.png");
        assert_eq!(response.header("content-type"), Some(stored));
        assert_eq!(response.header("content-disposition"), Some("attachment"), "{stored}");
        assert_eq!(response.header("content-security-policy"), Some("sandbox"));
    }
    for stored in ["application/pdf;charset=utf-8", "Application/PDF"] {
        let s3 = S3::saying(&format!("Content-Type: {stored}\r\n"), b"%PDF");
        let response = s3.site().sideman.get("/media/a.pdf");
        assert_eq!(response.header("content-security-policy"), None, "{stored}");
        assert_eq!(response.header("content-disposition"), None, "{stored}");
    }
    // Objects that were stored without a type have that of their name.
    for head in ["", "Content-Type: binary/octet-stream\r\n"] {
        let s3 = S3::saying(head, b"a");
        let site = s3.site();
        assert_eq!(site.sideman.get("/media/a.svg").header("content-type"), Some("image/svg+xml"));
    }
}

#[test]
fn names_are_encoded_once() {
    let s3 = S3::saying("", b"a");
    let site = s3.site();
    let mut client = site.sideman.connect();
    for (requested, expected) in [
        ("/media/a%20b+c.txt", "/site/up/a%20b%2Bc.txt"),
        ("/media/%C3%BCber%20100%25.txt", "/site/up/%C3%BCber%20100%25.txt"),
        ("/media/a%3Fb%23c%2A~'().txt", "/site/up/a%3Fb%23c%2A~%27%28%29.txt"),
        ("/media/a/../b//c/./d.txt", "/site/up/b/c/d.txt"),
        ("/media/%25.txt?versionId=1", "/site/up/%25.txt"),
    ] {
        assert_eq!(client.get(requested).status, 200, "{requested}");
        assert_eq!(s3.last().target(), expected);
    }
    let count = s3.requests().len();
    let long = format!("/media/{}", "a".repeat(1030));
    for hidden in ["/media/.env", "/media/a/.git/config", "/media/", "/media/%FF.txt", &long] {
        assert_eq!(client.get(hidden).status, 404, "{hidden}");
    }
    assert_eq!(client.get("/media/%2e%2e/%2e%2e/x").status, 400);
    assert_eq!(s3.requests().len(), count, "the bucket is not asked");
}

#[test]
fn only_range_and_conditions_are_sent_to_the_bucket() {
    let s3 = S3::saying("", b"a");
    let site = s3.site();
    let fields = "Cookie: sessionid=SECRET\r\nAuthorization: Bearer SECRET\r\nIf-None-Match: \"e\"\r\n\
                  If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nRange: bytes=0-1\r\n\
                  X-Amz-Date: 20000101T000000Z\r\nx-amz-security-token: SECRET\r\nUser-Agent: SECRET\r\n\
                  Accept-Encoding: gzip\r\nX-Forwarded-For: 192.0.2.1\r\n";
    assert_eq!(site.sideman.connect().ask("GET", "/media/a.txt?SECRET", fields).status, 200);
    let request = s3.last();
    let mut names: Vec<String> =
        request.head.fields.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "authorization",
            "host",
            "if-modified-since",
            "if-none-match",
            "range",
            "x-amz-content-sha256",
            "x-amz-date",
        ]
    );
    assert!(!format!("{request:?}").contains("SECRET"));
    let fields = "If-Modified-Since: yesterday\r\nIf-Unmodified-Since: 1\r\n";
    assert_eq!(site.sideman.connect().ask("GET", "/media/a.txt", fields).status, 200);
    let request = s3.last();
    for name in ["if-modified-since", "if-unmodified-since"] {
        assert_eq!(request.head.get(name), None, "an invalid date is no condition");
    }
}

#[test]
fn client_gets_a_part_of_the_requests_to_a_bucket() {
    /// A quarter of those of a worker.
    const SHARE: usize = 64;
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let s3 = S3::start(move |_| {
        held.pass();
        object("", b"at last")
    });
    let site = s3.site_with(|settings| settings.set("server.workers", "1"));
    let ask = |from: [u8; 4]| {
        let mut client = Client::connect_from(from.into(), site.sideman.address());
        client.send("GET /media/a.bin HTTP/1.1\r\nHost: example.test\r\n\r\n");
        client
    };
    let mut clients: Vec<Client> = (0..SHARE).map(|_| ask([127, 0, 0, 1])).collect();
    eventually_is("requests at the bucket", &SHARE, || s3.requests().len());
    let refused = ask([127, 0, 0, 1]).response();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    let line = site.sideman.log_line("the refused one", |line| line["status"] == 503);
    assert_eq!(line["error"], "bucket_busy", "{line}");
    let event = site.sideman.event("bucket_busy");
    assert!(event.contains("this client has 64 requests of a worker in flight"), "{event}");
    clients.push(ask([127, 0, 0, 2]));
    eventually_is("requests at the bucket", &(SHARE + 1), || s3.requests().len());
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().text(), "at last");
    }
    // The share is free again.
    assert_eq!(site.sideman.get("/media/a.bin").status, 200);
}

#[test]
fn parts_and_conditions_are_those_of_the_bucket() {
    let s3 = S3::start(|request| {
        let head = "ETag: \"new\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        if request.head.get("if-none-match") == Some("\"new\"") {
            return response("304 Not Modified", head, b"");
        }
        if request.head.get("if-match").is_some() {
            return error(412, "PreconditionFailed", "");
        }
        match request.head.get("range") {
            Some("bytes=2-3") => {
                let head = format!("{head}Content-Range: bytes 2-3/10\r\n");
                response("206 Partial Content", &head, b"23")
            }
            Some("bytes=10-") => error(416, "InvalidRange", "Content-Range: bytes */10\r\n"),
            _ => object(head, b"0123456789"),
        }
    });
    let site = s3.site();
    let mut client = site.sideman.connect();
    let mut ask = |fields: &str| client.ask("GET", "/media/a.txt", fields);
    let part = ask("Range: bytes=2-3\r\n");
    assert_eq!((part.status, part.text().as_str()), (206, "23"));
    assert_eq!(part.header("content-range"), Some("bytes 2-3/10"));
    let same = ask("If-None-Match: \"new\"\r\n");
    assert_eq!((same.status, same.text().as_str()), (304, ""));
    assert_eq!(same.header("etag"), Some("\"new\""));
    // Whether the object has one of its own is not known, and the client keeps the one that it has.
    assert_eq!(same.header("cache-control"), None);
    let other = ask("If-Match: \"old\"\r\n");
    assert_eq!((other.status, other.text().as_str()), (412, ""));
    assert_eq!(other.header("cache-control"), Some("no-store"));
    let behind = ask("Range: bytes=10-\r\n");
    assert_eq!((behind.status, behind.text().as_str()), (416, ""));
    assert_eq!(behind.header("content-range"), Some("bytes */10"));
    // S3 ignores If-Range: the part of another version must not reach a client that has a part of the old one.
    let asked = "Range: bytes=2-3\r\nIf-Range: ";
    for (fields, status, text) in [
        (format!("{asked}\"new\"\r\n"), 206, "23"),
        (format!("{asked}Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 206, "23"),
        (format!("{asked}\"old\"\r\n"), 200, "0123456789"),
        (format!("{asked}Sun, 06 Nov 1994 08:49:38 GMT\r\n"), 200, "0123456789"),
        ("Range: bytes=10-\r\nIf-Range: \"old\"\r\n".to_owned(), 200, "0123456789"),
        ("Range: bytes=0-1,3-4\r\n".to_owned(), 200, "0123456789"),
    ] {
        let response = ask(&fields);
        assert_eq!((response.status, response.text().as_str()), (status, text), "{fields}");
        assert_clean(&response);
    }
}

#[test]
fn head_is_sent_as_head() {
    let s3 = S3::start(|request| {
        assert_eq!(request.method(), "HEAD");
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\nContent-Type: text/plain\r\n\r\n"
            .into()
    });
    let site = s3.site();
    let response = site.sideman.connect().ask("HEAD", "/media/a.txt", "");
    assert_eq!((response.status, response.header("content-length")), (200, Some("5")));
    let mut client = site.sideman.connect();
    for method in ["POST", "PUT", "DELETE"] {
        let response = client.ask(method, "/media/a.txt", "Content-Length: 0\r\n");
        assert_eq!(response.status, 405, "{method}");
    }
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn directories_come_before_the_bucket() {
    let (s3, directory) = (S3::saying("", b"bucket"), TempDir::new());
    directory.write("a.txt", "directory");
    let application = App::saying("application");
    let settings = signed(Settings::before(&application.url()))
        .args(&["--media", &format!("/media/={}", directory.path().display())])
        .args(&["--media", &format!("/media/={}", s3.url())])
        .route("docs", &[("path", "/docs/"), ("files", &s3.url()), ("fallthrough", "true")]);
    let sideman = settings.start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/media/a.txt").text(), "directory");
    assert_eq!(client.get("/media/b.txt").text(), "bucket");
    assert_eq!(
        client.get("/media/a.0123456789ab.txt").header("cache-control"),
        Some("public, max-age=60")
    );
    // The site's own files.
    let own = client.get("/docs/a.0123456789ab.html");
    assert_eq!(own.text(), "bucket");
    assert_eq!(own.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(own.header("content-security-policy"), None);
    assert_eq!(s3.last().target(), "/site/up/a.0123456789ab.html");
    assert_eq!(client.ask("POST", "/docs/a", "Content-Length: 0\r\n").text(), "application");
}

#[test]
fn missing_object_of_a_route_goes_to_the_application() {
    let s3 = S3::start(|_| error(404, "NoSuchKey", ""));
    let application = App::saying("application");
    let sideman = signed(Settings::before(&application.url()))
        .route("docs", &[("path", "/docs/"), ("files", &s3.url()), ("fallthrough", "true")])
        .start();
    assert_eq!(sideman.get("/docs/a.html").text(), "application");
}

#[test]
fn large_object_is_streamed() {
    let large = pattern((8 << 20) + 17);
    let s3 = S3::saying("", &large);
    let site = s3.site();
    let response = site.sideman.get("/media/large.bin");
    assert!(response.body == large, "{} bytes came", response.body.len());
}

#[test]
fn object_that_ends_early_is_never_complete() {
    // Longer than what is read before the response begins.
    let half = vec![b'a'; 200_000];
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 400000\r\n\r\n";
    let response = [head.as_bytes(), &half].concat();
    let s3 = S3::start(move |_| response.clone());
    let site = s3.site();
    let mut client = site.sideman.connect();
    client.send("GET /media/a.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    let received = client.until_gone();
    assert!(received.len() < 400_000, "{} bytes came", received.len());
    let event = site.sideman.event("request failed at a bucket");
    assert!(event.contains("s3://site"), "{event}");
    let line = site.sideman.log_of("/media/a.txt");
    assert_eq!(
        (&line["status"], &line["error"]),
        (&200.into(), &"bucket_unavailable".into()),
        "{line}"
    );
}
