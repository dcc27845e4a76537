//! `X-Accel-Redirect` to a bucket, and signed URLs.

use std::time::Duration;

use super::{S3, assert_clean, error, object, signed};
use crate::support::{App, Gate, Origin, Settings, Sideman, TempDir, close, expect, send, wait};

fn site(s3: &S3, application: &App) -> Sideman {
    signed(Settings::before(&application.url()))
        .args(&["--accel", &format!("/private/={}", s3.url())])
        .start()
}

/// An application that names this file.
fn naming(path: &'static str, fields: &'static str) -> App {
    App::start(move |_| {
        format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\
             X-Accel-Redirect: {path}\r\n{fields}\r\nbody"
        )
        .into()
    })
}

#[test]
fn object_is_sent_in_place_of_the_body() {
    let s3 = S3::saying("ETag: \"e\"\r\nContent-Type: application/pdf\r\n", b"pdf");
    let application = naming(
        "/private/a%20b.pdf",
        "Content-Disposition: attachment; filename=b.pdf\r\nSet-Cookie: a=b\r\nETag: \"app\"\r\n",
    );
    let sideman = site(&s3, &application);
    let response = sideman.get("/invoice/1");
    assert_eq!((response.status, response.text().as_str()), (200, "pdf"));
    assert_eq!(s3.last().target(), "/site/up/a%20b.pdf");
    for (name, value) in [
        ("etag", Some("\"e\"")),
        ("content-type", Some("application/pdf")),
        ("content-disposition", Some("attachment; filename=b.pdf")),
        ("set-cookie", Some("a=b")),
        ("cache-control", Some("private, no-cache")),
        ("x-accel-redirect", None),
    ] {
        assert_eq!(response.header(name), value, "{name}");
    }
    assert_clean(&response);
    assert_eq!(sideman.log_of("/invoice/1")["route"], "accel");
    assert_eq!(sideman.get("/private/a%20b.pdf").status, 404, "clients cannot request it");
    assert_eq!(s3.requests().len(), 1);
}

#[test]
fn missing_object_that_the_application_names_is_404() {
    let s3 = S3::start(|_| error(404, "NoSuchKey", ""));
    let application = naming("/private/a.pdf", "");
    let sideman = site(&s3, &application);
    assert_eq!(sideman.get("/invoice/1").status, 404);
    let event = sideman.event("the application named a file that does not exist");
    assert!(event.contains("s3://site/up/a.pdf"), "{event}");
    let application = naming("/private/../a.pdf", "");
    let sideman = site(&s3, &application);
    let count = s3.requests().len();
    assert_eq!(sideman.get("/invoice/1").status, 502);
    assert_eq!(s3.requests().len(), count, "nothing outside of the prefix is requested");
}

#[test]
fn worker_is_free_while_the_object_is_sent() {
    let gate = Gate::default();
    // Longer than what is read before the response begins.
    let (head, half) = ("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n", [b'a'; 200_000]);
    let first = [head.as_bytes(), &half].concat();
    let storage = Origin::script([expect("GET "), send(first), wait(&gate), send(half), close()]);
    let application = App::start(|request| match request.target() {
        "/file" => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Accel-Redirect: /private/a\r\n\r\n".into()
        }
        _ => App::reply(b"page"),
    });
    let sideman = signed(Settings::before(&application.url()))
        .args(&["--accel", &format!("/private/=s3://site?endpoint={}", storage.url())])
        .set("upstream.max_in_flight", "1")
        .start();
    let mut client = sideman.connect();
    client.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.until("aaaa").contains("200 OK"));
    assert_eq!(sideman.get("/page").text(), "page", "the only permit is free");
    gate.open();
    assert!(client.exact(400_000 - 4).iter().all(|byte| *byte == b'a'));
}

#[test]
fn signed_urls_are_checked_before_the_bucket_is_asked() {
    let s3 = S3::start(|_| object("", b"a"));
    let keys = TempDir::new();
    let file = keys.write("keys", "a-secret-key-of-the-application\n");
    let site = s3.site_with(|settings| {
        settings.set("media.signed", "timestamp").set("media.signing_keys", file.to_str().unwrap())
    });
    assert_eq!(site.sideman.get("/media/a.txt").status, 403);
    assert_eq!(site.sideman.get("/media/a.txt?signature=1:2").status, 403);
    assert!(s3.requests().is_empty());
}

#[test]
fn rate_limits_an_object() {
    let s3 = S3::saying("", &[b'a'; 2000]);
    let application = naming("/private/a.bin", "X-Accel-Limit-Rate: 1000\r\n");
    let sideman = site(&s3, &application);
    let begin = std::time::Instant::now();
    assert_eq!(sideman.get("/a").body.len(), 2000);
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
}
