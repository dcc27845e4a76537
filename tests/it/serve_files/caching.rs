//! Cache-Control: `static.caching` by the form of names, and missing files.

use super::{BRIEF, IMMUTABLE, Site, manifest_of};
use crate::support::Settings;

/// The `max-age` of a missing file.
const ABSENT: &str = "public, max-age=5";

#[test]
fn first_matching_caching_rule_applies() {
    let cases = [
        ("report.pdf", "public, max-age=3600"),
        ("deep/report.pdf", "public, max-age=3600"),
        ("img/a.png", "public, max-age=300"),
        ("img/deep/a.png", "public, max-age=300"),
        // An earlier rule.
        ("img/report.pdf", "public, max-age=3600"),
        ("deep/img/a.png", BRIEF),
        ("sw.js", "no-store"),
        // A rule overrides a content hash.
        ("sw.0123456789ab.js", "no-store"),
        ("app.0123456789ab.js", IMMUTABLE),
        ("v1/a.css", IMMUTABLE),
        ("v12/a.css", BRIEF),
        ("never.txt", "public, max-age=0"),
        ("a.css", BRIEF),
    ];
    let rules = "*.pdf=1h, img/**=5m, sw*.js=no-store, v?/*=immutable, never.txt=0s";
    let site = Site::set(&cases.map(|(name, _)| (name, &b"content"[..])), |settings| {
        settings.set("static.caching", rules)
    });
    let mut client = site.sideman.connect();
    for (name, expected) in cases {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(response.header("cache-control"), Some(expected), "{name}");
    }
}

#[test]
fn bundler_names_are_immutable_if_configured() {
    let cases = [
        ("assets/index-DiwrgTda.css", [true, false, false]),
        ("main.86265e7e.js", [false, true, false]),
        ("787.dd20aa60.chunk.js", [false, true, false]),
        ("chunk-3YSFNLPC.js", [true, false, true]),
        ("app.js", [false; 3]),
        ("index-settings.js", [false; 3]),
        ("main.86265e7e.js.map", [false; 3]),
    ];
    let files = cases.map(|(name, _)| (name, &b"content"[..]));
    for (index, bundler) in ["vite", "webpack", "esbuild"].into_iter().enumerate() {
        let rule = format!("{bundler}=immutable");
        let site = Site::set(&files, |settings| settings.set("static.caching", &rule));
        let mut client = site.sideman.connect();
        for (name, matches) in cases {
            let response = client.get(&format!("/static/{name}"));
            let expected = if matches[index] { IMMUTABLE } else { BRIEF };
            assert_eq!(response.header("cache-control"), Some(expected), "{bundler}: {name}");
        }
    }
    // Without a rule no name is immutable.
    let site = Site::with(&files);
    let mut client = site.sideman.connect();
    for (name, _) in cases {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!(response.header("cache-control"), Some(BRIEF), "{name}");
    }
}

#[test]
fn every_file_response_has_cache_control() {
    let with_rules = |settings: Settings| settings.set("static.caching", "*.txt=2m");
    let site = Site::set(&[], with_rules);
    let mut client = site.sideman.connect();
    let etag = client.get("/static/alphabet.txt").header("etag").unwrap().to_owned();
    let fresh = format!("If-None-Match: {etag}\r\n");
    for (method, fields, status) in [
        ("GET", "", 200),
        ("HEAD", "", 200),
        ("GET", "Range: bytes=0-1\r\n", 206),
        ("GET", fresh.as_str(), 304),
        ("HEAD", fresh.as_str(), 304),
    ] {
        let response = client.ask(method, "/static/alphabet.txt", fields);
        assert_eq!(response.status, status, "{method} {fields}");
        let said = response.header("cache-control");
        assert_eq!(said, Some("public, max-age=120"), "{method} {fields}");
    }
    // Responses that say nothing about the contents are not cacheable.
    for (fields, status) in [
        ("Range: bytes=99-\r\n", 416),
        ("If-Match: \"x\"\r\n", 412),
        ("Expect-Nothing: 1\r\n", 200),
    ] {
        let response = client.ask("GET", "/static/alphabet.txt", fields);
        let expected = if status == 200 { "public, max-age=120" } else { "no-store" };
        assert_eq!((response.status, response.header("cache-control")), (status, Some(expected)));
    }
}

#[test]
fn missing_hashed_file_is_not_cacheable() {
    let manifest = manifest_of(&[("listed.js", "listed-7f3a.js")]);
    let rules = "vite=immutable, v1/**=immutable, brief/**=1h, *.0123456789ab.txt=1h";
    let site = Site::set(&[("staticfiles.json", manifest.as_bytes())], |settings| {
        settings.set("static.caching", rules)
    });
    // The manifest has been read.
    site.sideman.event("files listed in staticfiles.json are missing");
    let mut client = site.sideman.connect();
    for (name, expected) in [
        ("app.0123456789ab.css", "no-store"),
        ("deep/LICENSE.0123456789ab", "no-store"),
        // With any rule: a cache in front may have another version.
        ("a.0123456789ab.txt", "no-store"),
        ("index-DiwrgTda.css", "no-store"),
        ("v1/anything.png", "no-store"),
        ("listed-7f3a.js", "no-store"),
        ("app.css", ABSENT),
        ("brief/a.css", ABSENT),
        ("main.86265e7e.js", ABSENT),
        ("listed.js", ABSENT),
    ] {
        for method in ["GET", "HEAD"] {
            let response = client.ask(method, &format!("/static/{name}"), "");
            assert_eq!(response.status, 404, "{name}");
            assert_eq!(response.header("cache-control"), Some(expected), "{method} {name}");
        }
    }
}
