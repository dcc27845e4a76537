//! Attacks through file names, and faults of files that have no attacker.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    time::{Duration, SystemTime},
};

use super::Site;
use crate::support::{ReservedPort, Settings, TempDir};

/// Every encoding is accepted, twice: a version compressed in the background would be sent the second time.
const ANY_CODING: &str = "Accept-Encoding: br, zstd, gzip\r\n";

#[test]
fn uploaded_gz_is_not_served_as_a_precompressed_file() {
    let (media, application) = (TempDir::new(), ReservedPort::new());
    let report = "month,sum\n".repeat(400);
    media.write("report.csv", &report);
    for suffix in ["gz", "br", "zst"] {
        media.write(&format!("report.csv.{suffix}"), "of somebody else");
    }
    let sideman = Settings::before(&application.url())
        .args(&["--media", &format!("/media/={}", media.path().display())])
        .start();
    let mut client = sideman.connect();
    for _ in 0..2 {
        let response = client.ask("GET", "/media/report.csv", ANY_CODING);
        assert_eq!((response.status, response.text()), (200, report.clone()));
        assert_eq!(response.header("content-encoding"), None);
    }
    let response = client.ask("GET", "/media/report.csv.gz", ANY_CODING);
    assert_eq!(response.text(), "of somebody else");
}

#[test]
fn manifest_is_hidden_in_every_encoding() {
    let names = ["", ".gz", ".br", ".zst"].map(|suffix| format!("staticfiles.json{suffix}"));
    let below = names.clone().map(|name| format!("v1/{name}"));
    let all: Vec<String> = names.into_iter().chain(below).collect();
    let files: Vec<(&str, &[u8])> = all.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let site = Site::with(&[&files[..], &[("staticfiles.json.txt", b"shown")]].concat());
    let mut client = site.sideman.connect();
    for name in &all {
        assert_eq!(client.get(&format!("/static/{name}")).status, 404, "{name}");
    }
    assert_eq!(client.get("/static/staticfiles.json.txt").text(), "shown");
}

#[test]
fn unreadable_precompressed_file_is_ignored() {
    let site = Site::with(&[("a.css", b"body { color: red }"), ("a.css.br", b"packed")]);
    let precompressed = site.directory.join("a.css.br");
    fs::set_permissions(&precompressed, Permissions::from_mode(0o000)).unwrap();
    // The superuser can read every file.
    let expected =
        if File::open(&precompressed).is_ok() { "packed" } else { "body { color: red }" };
    let mut client = site.sideman.connect();
    let response = client.ask("GET", "/static/a.css", "Accept-Encoding: br\r\n");
    assert_eq!((response.status, response.text().as_str()), (200, expected));
}

#[test]
fn last_modified_is_never_in_the_future() {
    let site = Site::with(&[("a.css", b"body{}")]);
    let file = File::options().write(true).open(site.directory.join("a.css")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(86_400)).unwrap();
    let response = site.sideman.get("/static/a.css");
    let date = |name| httpdate::parse_http_date(response.header(name).unwrap()).unwrap();
    assert!(date("last-modified") <= date("date"), "{:?}", response.head.fields);
}

#[test]
fn current_version_under_an_old_name_is_not_cacheable() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let manifest = r#"{"version": "1.1", "paths": {"a.css": "a.0123456789ab.css"}, "hash": ""}"#;
    directory.write("a.0123456789ab.css", "body{}");
    let path = directory.write("staticfiles.json", manifest);
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.serve_current", "true")
        .start();
    let mut client = sideman.connect();
    let current = client.get("/static/a.0123456789ab.css");
    assert!(current.header("cache-control").unwrap().contains("immutable"));
    let same = format!("If-None-Match: {}\r\n", current.header("etag").unwrap());
    let part = "Range: bytes=0-1\r\n".to_owned();
    let failed = "If-Match: \"other\"\r\n".to_owned();
    // A client's copy of the old version says nothing about this one.
    for fields in [String::new(), same, part, failed] {
        let old = client.ask("GET", "/static/a.ba9876543210.css", &fields);
        assert_eq!((old.status, old.header("cache-control")), (200, Some("no-store")), "{fields}");
        assert_eq!(old.text(), "body{}");
    }
}
