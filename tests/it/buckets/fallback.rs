//! Static files of other releases in a bucket.

use std::sync::Arc;

use super::{S3, error, object, signed};
use crate::support::{App, Gate, Settings, Sideman, TempDir};

const NAME: &str = "/static/css/a.0123456789ab.css";

/// Sideman with a file of this release, before an application.
fn site(s3: &S3, directory: &TempDir, application: &App) -> Sideman {
    directory.write("here.txt", "here");
    signed(Settings::before(&application.url()))
        .files("/static/", directory.path())
        .set("static.fallback", &s3.url())
        .start()
}

#[test]
fn hashed_file_that_is_missing_here_is_sent_from_the_bucket() {
    let s3 = S3::start(|request| match request.target() {
        "/site/up/static/css/a.0123456789ab.css" => object("ETag: \"e\"\r\n", b"old"),
        other => error(404, "NoSuchKey", &format!("x-asked: {other}\r\n")),
    });
    let (directory, application) = (TempDir::new(), App::saying("page"));
    let sideman = site(&s3, &directory, &application);
    let response = sideman.get(&format!("{NAME}?v=1"));
    assert_eq!((response.status, response.text().as_str()), (200, "old"));
    assert_eq!(response.header("content-type"), Some("text/css; charset=utf-8"));
    let control = response.header("cache-control").unwrap();
    assert!(control.contains("max-age=31536000"), "{control}");
    assert_eq!(sideman.get("/static/here.txt").text(), "here");
    assert_eq!(sideman.get("/static/none.txt").status, 404, "it has no hash");
    assert_eq!(s3.requests().len(), 1);
    assert_eq!(sideman.get("/static/b.0123456789ab.css").status, 404);
    assert_eq!(s3.last().target(), "/site/up/static/b.0123456789ab.css");
    sideman.until_metric("sideman_static_fallback_total", &[("found", "fallback")], 1.0);
    assert_eq!(application.requests(), 0);
}

#[test]
fn silent_bucket_is_a_404_after_the_timeout_of_the_fallback() {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let s3 = S3::start(move |_| {
        held.pass();
        object("", b"too late")
    });
    let (directory, application) = (TempDir::new(), App::saying("page"));
    let sideman = signed(Settings::before(&application.url()))
        .files("/static/", directory.path())
        .set("static.fallback", &s3.url())
        .set("static.fallback_timeout", "300ms")
        .start();
    let response = sideman.get(NAME);
    assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
    let event = sideman.event("static.fallback failed a request");
    assert!(event.contains("the bucket did not respond within 300ms"), "{event}");
    assert_eq!(s3.requests().len(), 1);
    gate.open();
}

#[test]
fn bucket_that_fails_is_a_404_that_is_not_kept() {
    let s3 = S3::start(|_| error(403, "SignatureDoesNotMatch", ""));
    let (directory, application) = (TempDir::new(), App::saying("page"));
    let sideman = site(&s3, &directory, &application);
    let response = sideman.get(NAME);
    assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
    let event = sideman.event("static.fallback failed a request");
    assert!(event.contains("SignatureDoesNotMatch") && event.contains(NAME), "{event}");
    sideman.until_metric("sideman_static_fallback_total", &[("found", "failed")], 1.0);
}
