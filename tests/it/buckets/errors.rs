//! What S3 refuses, and what becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{S3, assert_clean, error, object, response, signed};
use crate::support::{ReservedPort, Settings};

#[test]
fn errors_of_s3_say_what_to_do_in_the_log_only() {
    let ahead = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for (status, code, head, expected, advice) in [
        (403, "SignatureDoesNotMatch", "", 502, "check AWS_SECRET_ACCESS_KEY"),
        (403, "RequestTimeTooSkewed", ahead, 502, "s ahead of that of S3"),
        (404, "NoSuchBucket", "", 502, "check the name of the bucket"),
        (
            301,
            "PermanentRedirect",
            "x-amz-bucket-region: eu-north-1\r\n",
            502,
            "(it is eu-north-1)",
        ),
        (400, "AuthorizationHeaderMalformed", "", 502, "set the region of the bucket"),
        (403, "InvalidObjectState", "", 502, "restore it"),
        (400, "ExpiredToken", "", 503, "the keys have expired"),
        (403, "InvalidAccessKeyId", "", 503, "set valid keys"),
        (400, "SomethingNew", "", 502, "400 SomethingNew"),
    ] {
        let s3 = S3::start(move |_| error(status, code, head));
        let site = s3.site();
        let response = site.sideman.get("/media/a.txt");
        assert_eq!(response.status, expected, "{code}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{code}");
        assert_clean(&response);
        assert!(!response.text().contains(code), "{}", response.text());
        let event = site.sideman.event("request failed at a bucket");
        assert!(event.contains(code) && event.contains(advice), "{event}");
        assert!(event.contains("s3://site"), "{event}");
        let line = site.sideman.log_of("/media/a.txt");
        let word = if expected == 503 { "bucket_credentials" } else { "bucket_refused" };
        assert_eq!(line["error"], word, "{line}");
        assert_eq!(s3.requests().len(), 1, "{code} is not repeated");
    }
}

#[test]
fn region_in_the_document_is_named() {
    let s3 = S3::start(|_| {
        let document = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>";
        response("400 Bad Request", "", document)
    });
    let site = s3.site();
    assert_eq!(site.sideman.get("/media/a.txt").status, 502);
    let event = site.sideman.event("request failed at a bucket");
    assert!(event.contains("(it is eu-central-1)"), "{event}");
}

#[test]
fn missing_object_is_404_also_where_s3_says_403() {
    for (status, code, result) in [(404, "NoSuchKey", "missing"), (403, "AccessDenied", "denied")] {
        let s3 = S3::start(move |_| error(status, code, ""));
        let site = s3.site();
        let mut client = site.sideman.connect();
        for method in ["GET", "HEAD"] {
            let response = client.ask(method, "/media/a.txt", "");
            assert_eq!(response.status, 404, "{method} {code}");
            assert_clean(&response);
        }
        let name = "sideman_bucket_requests_total";
        site.sideman.until_metric(name, &[("result", result)], 2.0);
        if code == "AccessDenied" {
            let event = site.sideman.event("S3 denied access");
            assert!(event.contains("s3:ListBucket") && event.contains("up/a.txt"), "{event}");
        }
    }
}

#[test]
fn error_of_a_head_is_found_by_a_get() {
    let s3 = S3::start(|request| match request.method() {
        "HEAD" => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n".into(),
        _ => error(403, "RequestTimeTooSkewed", ""),
    });
    let site = s3.site();
    assert_eq!(site.sideman.connect().ask("HEAD", "/media/a.txt", "").status, 502);
    assert_eq!(s3.last().head.get("range"), Some("bytes=0-0"));
}

#[test]
fn temporary_errors_are_repeated() {
    for (status, code) in [(503, "SlowDown"), (500, "InternalError"), (502, ""), (429, "Any")] {
        let count = AtomicUsize::new(0);
        let s3 = S3::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => error(status, code, ""),
            _ => object("", b"at last"),
        });
        let site = s3.site();
        assert_eq!(site.sideman.get("/media/a.txt").text(), "at last", "{code}");
        site.sideman.until_metric("sideman_bucket_retries_total", &[], 2.0);
    }
}

#[test]
fn connection_that_ends_before_the_response_is_repeated() {
    let count = AtomicUsize::new(0);
    let s3 = S3::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Le".into(),
        _ => object("", b"at last"),
    });
    let site = s3.site();
    assert_eq!(site.sideman.get("/media/a.txt").text(), "at last");
}

/// It takes the 15 s that a bucket may be silent.
#[test]
fn silent_bucket_is_asked_once() {
    let s3 = S3::start(|_| Vec::new());
    let site = s3.site();
    assert_eq!(site.sideman.get("/media/a.txt").status, 503);
    assert_eq!(s3.requests().len(), 1);
    let event = site.sideman.event("request failed at a bucket");
    assert!(event.contains("upstream_read_timeout"), "{event}");
}

#[test]
fn bucket_that_stays_unavailable_is_503() {
    let s3 = S3::start(|_| error(503, "SlowDown", ""));
    let site = s3.site();
    let response = site.sideman.get("/media/a.txt");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_clean(&response);
    assert_eq!(s3.requests().len(), 3);
    assert_eq!(site.sideman.log_of("/media/a.txt")["error"], "bucket_unavailable");
    let nobody = ReservedPort::new();
    let url = format!("/media/=s3://site?endpoint={}", nobody.url());
    let sideman = signed(Settings::before(&nobody.url())).args(&["--media", &url]).start();
    assert_eq!(sideman.get("/media/a.txt").status, 503);
    let event = sideman.event("request failed at a bucket");
    assert!(event.contains("upstream_refused"), "{event}");
}
