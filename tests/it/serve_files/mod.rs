//! Static files: their responses, and the files that cannot be reached.

mod aborted_transfers;
mod attacks;
mod cache_limits;
mod caching;
mod changes;
mod churn;
mod conditions;
mod confinement;
mod cors;
mod directories;
mod fallback;
mod fallback_trouble;
mod files_being_written;
mod hashing;
mod index;
mod intervals;
mod kernel;
mod links;
mod manifest;
mod manifest_faults;
mod many;
mod many_listed;
mod names;
mod open_files;
mod parts;
mod paths;
mod ranges;
mod readers;
mod representations;
mod sending;
mod serve_current;
mod slow_readers;
mod survey;
mod types;
mod validators;

use std::{
    collections::BTreeMap,
    fs::File,
    time::{Duration, SystemTime},
};

use crate::support::{ReservedPort, Settings, Sideman, TempDir, pattern};

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";
/// Cache-Control of names with a content hash, and of others by default.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const BRIEF: &str = "public, max-age=60";

/// A served directory; the application refuses connections.
struct Site {
    sideman: Sideman,
    directory: TempDir,
    _application: ReservedPort,
}

// === impl Site ===

impl Site {
    /// `alphabet.txt` and these files, all of them an hour old.
    fn with(files: &[(&str, &[u8])]) -> Self {
        Self::set(files, |settings| settings)
    }

    /// Like `with`, with more settings.
    fn set(files: &[(&str, &[u8])], more: impl FnOnce(Settings) -> Settings) -> Self {
        let (directory, application) = (TempDir::new(), ReservedPort::new());
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        for (name, content) in [("alphabet.txt", ALPHABET.as_bytes())].iter().chain(files) {
            let path = directory.write(name, content);
            File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
        }
        let settings = Settings::before(&application.url())
            .files("/static/", directory.path())
            .set("static.check_interval", "50ms");
        Self { sideman: more(settings).start(), directory, _application: application }
    }
}

/// A `staticfiles.json` of these originals and their hashed names.
fn manifest_of(paths: &[(&str, &str)]) -> String {
    let paths: BTreeMap<_, _> = paths.iter().copied().collect();
    serde_json::json!({ "paths": paths, "version": "1.1", "hash": "0123456789ab" }).to_string()
}

/// The number of requests for hashed names with this result.
#[track_caller]
fn rescued(sideman: &Sideman, found: &str) -> f64 {
    sideman.metric("sideman_static_fallback_total", &[("found", found)])
}

#[test]
fn every_file_has_its_type() {
    let types = [
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.map", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.JPG", "image/jpeg"),
        ("a.woff2", "font/woff2"),
        ("a.wasm", "application/wasm"),
        ("a.webmanifest", "application/manifest+json"),
        ("LICENSE", "application/octet-stream"),
    ];
    let site = Site::with(&types.map(|(name, _)| (name, &b"content"[..])));
    let mut client = site.sideman.connect();
    for (name, expected) in types {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(response.header("content-type"), Some(expected), "{name}");
        assert_eq!(response.header("content-length"), Some("7"), "{name}");
        assert_eq!(response.text(), "content", "{name}");
    }
}

#[test]
fn names_with_a_hash_are_immutable() {
    let names = [
        ("base.0123456789ab.css", true),
        ("jquery.min.00ff00ff00ff.js", true),
        ("deep/down/font.abcdefabcdef.woff2", true),
        ("base.css", false),
        ("base.0123456789a.css", false),
        ("base.0123456789abc.css", false),
        ("base.0123456789ag.css", false),
        ("base-0123456789ab.css", false),
        ("0123456789ab.css", false),
    ];
    let site = Site::with(&names.map(|(name, _)| (name, &b"content"[..])));
    let mut client = site.sideman.connect();
    for (name, is_hashed) in names {
        let response = client.get(&format!("/static/{name}"));
        let expected = match is_hashed {
            true => IMMUTABLE,
            false => BRIEF,
        };
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(response.header("cache-control"), Some(expected), "{name}");
    }
}

#[test]
fn max_age_is_a_setting() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    directory.write("a.txt", "a");
    let settings = Settings::before(&application.url()).files("/static/", directory.path());
    let sideman = settings.set("static.max_age", "5m").start();
    let response = sideman.get("/static/a.txt");
    assert_eq!(response.header("cache-control"), Some("public, max-age=300"));
}

#[test]
fn head_is_get_without_the_body() {
    let site = Site::with(&[("empty.css", b""), ("base.0123456789ab.css", b"body{}")]);
    let mut client = site.sideman.connect();
    for name in ["alphabet.txt", "empty.css", "base.0123456789ab.css", "missing.css"] {
        let target = format!("/static/{name}");
        let get = client.get(&target);
        let head = client.ask("HEAD", &target, "");
        assert_eq!(head.status, get.status, "{name}");
        // These two headers may differ between requests; the order of headers is irrelevant.
        let stable = |fields: &[(String, String)]| {
            let mut fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
            fields.retain(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
            fields.sort();
            fields
        };
        assert_eq!(stable(&head.head.fields), stable(&get.head.fields), "{name}");
        assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    }
    // The connection stays open: the last response had no body byte.
    assert_eq!(client.get("/static/alphabet.txt").text(), ALPHABET);
}

#[test]
fn other_methods_are_refused() {
    let site = Site::with(&[]);
    for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
        let mut client = site.sideman.connect();
        client.send(format!(
            "{method} /static/alphabet.txt HTTP/1.1\r\nHost: example.test\r\n\
             Content-Length: 3\r\n\r\nabc"
        ));
        let response = client.response();
        assert_eq!(response.status, 405, "{method}");
        let allowed = response.header("allow").unwrap_or_default();
        let mut allowed: Vec<&str> = allowed.split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "HEAD", "OPTIONS"], "{method}");
    }
}

#[test]
fn large_file_is_sent_whole() {
    let large = pattern((3 << 20) + 17);
    let site = Site::with(&[("large.bin", &large)]);
    let mut client = site.sideman.connect();
    for _ in 0..2 {
        let response = client.get("/static/large.bin");
        assert_eq!(response.header("content-length"), Some("3145745"));
        assert!(response.body == large, "{} bytes came", response.body.len());
    }
    let response = client.ask("GET", "/static/large.bin", "Range: bytes=2097150-2097155\r\n");
    assert_eq!(response.status, 206);
    assert_eq!(response.header("content-range"), Some("bytes 2097150-2097155/3145745"));
    assert!(response.body == large[2_097_150..=2_097_155], "{:?}", response.body);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = Site::with(&[("a.txt", b"first"), ("b.txt", b"second")]);
    let mut client = site.sideman.connect();
    let request = |name| format!("GET /static/{name} HTTP/1.1\r\nHost: example.test\r\n\r\n");
    client.send([request("a.txt"), request("none.txt"), request("b.txt")].concat());
    assert_eq!(client.response().text(), "first");
    assert_eq!(client.response().status, 404);
    assert_eq!(client.response().text(), "second");
}

#[test]
fn the_longest_prefix_decides() {
    let (short, long, application) = (TempDir::new(), TempDir::new(), ReservedPort::new());
    short.write("a.txt", "short");
    short.write("media/a.txt", "never seen");
    long.write("a.txt", "long");
    let sideman = Settings::before(&application.url())
        .files("/static/", short.path())
        .files("/static/media/", long.path())
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/static/a.txt").text(), "short");
    assert_eq!(client.get("/static/media/a.txt").text(), "long");
    // Not below the prefix: it goes to the application, which is unavailable.
    assert_eq!(client.get("/staticky/a.txt").status, 502);
    assert_eq!(client.get("/static").status, 502);
}
