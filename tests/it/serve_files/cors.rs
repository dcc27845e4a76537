//! CORS: which files pages of other origins may use, and allowed methods.

use crate::support::{ReservedPort, Settings, Sideman, TempDir};

const ORIGIN: &str = "Origin: https://other.test\r\n";
const PREFLIGHT: &str = "Origin: https://other.test\r\nAccess-Control-Request-Method: GET\r\n\
                         Access-Control-Request-Headers: range\r\n";
const FILES: [&str; 6] = ["a.woff2", "b.TTF", "c.0123456789ab.otf", "a.css", "a.json", "a.svg"];

/// `/static/`, `/docs/` and `/media/` with the same files.
fn start(rules: &str, media: &str) -> (Sideman, TempDir, ReservedPort) {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    for name in FILES {
        directory.write(name, "content");
    }
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .files("/docs/", directory.path())
        .args(&["--media", &format!("/media/={}", directory.path().display())])
        .set("static.cors", rules)
        .set("media.cors", media)
        .start();
    (sideman, directory, application)
}

#[test]
fn each_prefix_has_its_own_cors_setting() {
    let (fonts, all, none) = (["a.woff2", "b.TTF", "c.0123456789ab.otf"], FILES, []);
    for (rules, media, shared) in [
        ("fonts", "none", [&fonts[..], &fonts, &none]),
        ("all", "fonts", [&all[..], &all, &fonts]),
        ("none", "all", [&none[..], &none, &all]),
        ("/docs/=all", "none", [&fonts[..], &all, &none]),
        ("all, /static/=none, /media/=fonts", "none", [&none[..], &all, &fonts]),
    ] {
        let (sideman, _directory, _application) = start(rules, media);
        let mut client = sideman.connect();
        for (prefix, shared) in ["/static/", "/docs/", "/media/"].into_iter().zip(shared) {
            for name in FILES {
                let target = format!("{prefix}{name}");
                let expected = shared.contains(&name).then_some("*");
                let etag = client.get(&target).header("etag").unwrap().to_owned();
                let fresh = format!("{ORIGIN}If-None-Match: {etag}\r\n");
                let part = format!("{ORIGIN}Range: bytes=0-1\r\n");
                // Without an Origin as well: a cache may serve the response to a page that has one.
                for (fields, status) in
                    [("", 200), (ORIGIN, 200), (fresh.as_str(), 304), (part.as_str(), 206)]
                {
                    let response = client.ask("GET", &target, fields);
                    assert_eq!(response.status, status, "{rules}: {target}");
                    let allowed = response.header("access-control-allow-origin");
                    assert_eq!(allowed, expected, "{rules}: {target} {fields}");
                }
            }
        }
    }
}

#[test]
fn options_lists_allowed_methods_and_headers() {
    let (sideman, _directory, _application) = start("/docs/=none, /static/=all", "none");
    let mut client = sideman.connect();
    for (prefix, is_shared) in [("/static/", true), ("/docs/", false), ("/media/", false)] {
        // Existing and missing names get the same response, so it does not reveal which exist.
        for name in ["a.woff2", "a.css", "none.css", ".env", ""] {
            for fields in ["", PREFLIGHT] {
                let response = client.ask("OPTIONS", &format!("{prefix}{name}"), fields);
                assert_eq!((response.status, response.body.len()), (204, 0), "{prefix}{name}");
                let mut allowed: Vec<&str> =
                    response.header("allow").unwrap_or_default().split(", ").collect();
                allowed.sort_unstable();
                assert_eq!(allowed, ["GET", "HEAD", "OPTIONS"], "{prefix}{name}");
                for (header, value) in [
                    ("access-control-allow-origin", "*"),
                    ("access-control-allow-methods", "GET, HEAD"),
                    ("access-control-allow-headers", "range, if-range"),
                ] {
                    let expected = is_shared.then_some(value);
                    assert_eq!(response.header(header), expected, "{prefix}{name}: {header}");
                }
                // Credentials are never allowed.
                assert!(!response.head.has("access-control-allow-credentials"));
            }
        }
    }
    // The connection stays open.
    assert_eq!(client.get("/static/a.css").text(), "content");
}
