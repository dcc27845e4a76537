//! `static.serve_current`: the current version replaces a missing one, and which steps come before.

use super::{ALPHABET, Site, manifest_of, rescued};
use crate::support::{App, Settings, eventually};

const NEW: &str = "app.0123456789ab.css";
const OLD: &str = "/static/app.ba9876543210.css";

fn serving(settings: Settings) -> Settings {
    settings.set("static.serve_current", "true")
}

fn files(manifest: &str) -> Vec<(&str, &[u8])> {
    vec![
        (NEW, b"the new one"),
        ("app.css", b"the plain one"),
        ("staticfiles.json", manifest.as_bytes()),
    ]
}

#[test]
fn serve_current_is_a_setting() {
    let site = Site::with(&files(&manifest_of(&[("app.css", NEW)])));
    let response = site.sideman.get(OLD);
    assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
    assert_eq!(rescued(&site.sideman, "current"), 0.0);
}

#[test]
fn manifest_names_the_current_version() {
    let site = Site::set(&files(&manifest_of(&[("app.css", NEW)])), serving);
    let mut client = site.sideman.connect();
    // The first request of all: no file has been looked up before.
    let response = client.get(OLD);
    assert_eq!((response.status, response.text().as_str()), (200, "the new one"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("content-type"), Some("text/css; charset=utf-8"));
    let etag = response.header("etag").unwrap().to_owned();

    // A client's copy of the old version says nothing about this one, and the response is not cacheable.
    let fresh = format!("If-None-Match: {etag}\r\n");
    for (method, fields) in [
        ("HEAD", ""),
        ("GET", "Range: bytes=4-6\r\n"),
        ("GET", fresh.as_str()),
        ("GET", "Range: bytes=99-\r\n"),
        ("GET", "If-Match: \"x\"\r\n"),
    ] {
        let response = client.ask(method, OLD, fields);
        assert_eq!(response.status, 200, "{method} {fields}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{method} {fields}");
        assert_eq!(response.text(), if method == "GET" { "the new one" } else { "" });
    }
    assert_eq!(rescued(&site.sideman, "current"), 6.0);
    // The file itself is unchanged.
    assert_eq!(
        client.get(&format!("/static/{NEW}")).header("cache-control"),
        Some(super::IMMUTABLE)
    );
}

#[test]
fn current_version_without_a_manifest_is_the_plain_file() {
    let site = Site::set(&[("app.css", b"the plain one"), ("deep/a", b"deep")], serving);
    let mut client = site.sideman.connect();
    for (target, text) in [(OLD, "the plain one"), ("/static/deep/a.0123456789ab", "deep")] {
        let response = client.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, text), "{target}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{target}");
    }
    for target in ["/static/none.0123456789ab.css", "/static/none.css", "/static/deep.0123456789ab"]
    {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    assert_eq!(client.get("/static/alphabet.txt").text(), ALPHABET);
    assert_eq!(rescued(&site.sideman, "current"), 2.0);
}

#[test]
fn file_without_a_current_version_is_404() {
    let manifest =
        manifest_of(&[("app.css", NEW), ("lost.css", "lost.0123456789ab.css"), ("dot", ".dot")]);
    let mut files = files(&manifest);
    // A file of an earlier release; and a hidden name.
    files.extend([("left.css", &b"left"[..]), (".dot", b"SECRET")]);
    let site = Site::set(&files, serving);
    let mut client = site.sideman.connect();
    for target in [
        "/static/left.0123456789ab.css",
        "/static/lost.0123456789ab.css",
        "/static/lost.ba9876543210.css",
        "/static/dot.0123456789ab",
        "/static/none.0123456789ab.css",
        "/static/app.0123456789ab",
    ] {
        let response = client.get(target);
        assert_eq!(response.status, 404, "{target}: {}", response.text());
        assert_eq!(response.header("cache-control"), Some("no-store"), "{target}");
    }
    assert_eq!(rescued(&site.sideman, "current"), 0.0);
}

#[test]
fn new_or_changed_manifest_is_reloaded() {
    let site =
        Site::set(&[("one.0123456789ab.css", b"one"), ("two.0123456789ab.css", b"two")], serving);
    let mut client = site.sideman.connect();
    assert_eq!(client.get(OLD).status, 404);
    // Like a release that is collected while Sideman runs. Only old names are requested.
    for (name, text) in [("one.0123456789ab.css", "one"), ("two.0123456789ab.css", "two")] {
        site.directory.write("staticfiles.json", manifest_of(&[("app.css", name)]));
        eventually(text, || (client.get(OLD).text() == text).then_some(()));
    }
    std::fs::remove_file(site.directory.join("staticfiles.json")).unwrap();
    eventually("404", || (client.get(OLD).status == 404).then_some(()));
}

#[test]
fn fallback_is_tried_before_the_current_version() {
    // The fallback's response decides: it has the file, or it fails.
    let previous = App::start(|request| match request.target() {
        "/static/app.aaaaaaaaaaaa.css" => App::reply(b"the old one"),
        "/static/app.eeeeeeeeeeee.css" => b"HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 404 Oh\r\nContent-Length: 0\r\n\r\n".to_vec(),
    });
    let manifest = manifest_of(&[("app.css", NEW)]);
    let site = Site::set(&files(&manifest), |settings| {
        serving(settings).set("static.fallback", &previous.url())
    });
    let mut client = site.sideman.connect();
    for (target, text, counts) in [
        ("/static/app.aaaaaaaaaaaa.css", "the old one", [1.0, 0.0, 0.0]),
        (OLD, "the new one", [1.0, 1.0, 0.0]),
        ("/static/app.eeeeeeeeeeee.css", "the new one", [1.0, 2.0, 1.0]),
    ] {
        assert_eq!(client.get(target).text(), text, "{target}");
        let counted = ["fallback", "current", "failed"].map(|found| rescued(&site.sideman, found));
        assert_eq!(counted, counts, "{target}");
    }
    assert_eq!(client.get(&format!("/static/{NEW}")).text(), "the new one");
    assert_eq!(previous.requests(), 3);
}
