//! Directories: their index file if configured, the redirect to it, and never a listing.

use super::Site;
use crate::support::{App, Settings, TempDir};

const FILES: &[(&str, &[u8])] = &[
    ("index.html", b"<p>top"),
    ("docs/index.html", b"<p>docs"),
    ("docs/secret-name.txt", b"listed"),
    ("docs/deep/index.html", b"<p>deep"),
    ("empty/other.html", b"<p>other"),
    ("a b/\u{fc}%/index.html", b"<p>odd"),
    ("odd/index.html/file.txt", b"a directory of that name"),
];

#[test]
fn directory_without_index_setting_is_404() {
    let site = Site::with(FILES);
    let mut client = site.sideman.connect();
    for target in ["/static/", "/static/docs/", "/static/docs", "/static/empty/", "/static/docs/."]
    {
        let response = client.get(target);
        assert_eq!(response.status, 404, "{target}");
        assert!(!response.text().contains("secret-name"), "{target}");
    }
    assert_eq!(client.get("/static/docs/index.html").text(), "<p>docs");
}

#[test]
fn directory_is_served_as_its_index_file() {
    let site = Site::set(FILES, |settings| settings.set("static.index", "index.html"));
    let mut client = site.sideman.connect();
    for (target, text) in [
        ("/static/", "<p>top"),
        ("/static/?page=2", "<p>top"),
        ("/static/docs/", "<p>docs"),
        ("/static/docs//", "<p>docs"),
        ("/static/docs/deep/..", "<p>docs"),
        ("/static/docs/deep/", "<p>deep"),
        ("/static/a%20b/%C3%BC%25/", "<p>odd"),
        ("/static/docs/index.html", "<p>docs"),
    ] {
        let response = client.get(target);
        assert_eq!((response.status, response.text().as_str()), (200, text), "{target}");
        assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"), "{target}");
        let etag = format!("If-None-Match: {}\r\n", response.header("etag").unwrap());
        assert_eq!(client.ask("GET", target, &etag).status, 304, "{target}");
        let head = client.ask("HEAD", target, "");
        assert_eq!(head.header("content-length"), Some(&*text.len().to_string()), "{target}");
    }
    // No file of that name: there is no listing either.
    for target in ["/static/empty/", "/static/none/", "/static/odd/", "/static/docs/deep/x/"] {
        let response = client.get(target);
        assert_eq!(response.status, 404, "{target}");
        assert!(!response.text().contains("other.html"), "{target}");
    }
}

#[test]
fn missing_slash_is_redirected() {
    let site = Site::set(FILES, |settings| settings.set("static.index", "index.html"));
    let mut client = site.sideman.connect();
    for (target, location) in [
        ("/static/docs", "/static/docs/"),
        ("/static/docs?page=2&next=//x", "/static/docs/?page=2&next=//x"),
        ("/static/docs?", "/static/docs/?"),
        ("/static//docs", "/static/docs/"),
        ("/static/docs/deep/../../docs", "/static/docs/"),
        ("/static/docs%2Fdeep", "/static/docs/deep/"),
        ("/static/a%20b/%c3%bc%25", "/static/a%20b/%C3%BC%25/"),
        ("/%73tatic/docs", "/static/docs/"),
    ] {
        for method in ["GET", "HEAD"] {
            let response = client.ask(method, target, "");
            assert_eq!(response.status, 301, "{method} {target}");
            assert_eq!(response.header("location"), Some(location), "{method} {target}");
            assert_eq!(response.body, b"", "{method} {target}");
        }
        let response = client.get(location);
        assert_eq!(response.status, 200, "{target}");
    }
}

#[test]
fn slash_redirect_never_leads_to_another_host() {
    let directory = TempDir::new();
    for name in ["evil.test", "\\evil.test", "\\\\evil.test", "https:", "a\r\nX-Evil: 1", "%2F"] {
        directory.write(&format!("{name}/index.html"), "page");
    }
    let application = App::saying("from the application");
    for prefix in ["/static/", "/s/"] {
        let sideman = Settings::before(&application.url())
            .files(prefix, directory.path())
            .set("static.index", "index.html")
            .start();
        let mut client = sideman.connect();
        let mut redirects = 0;
        for path in [
            "/evil.test",
            "//evil.test",
            "evil.test",
            "%2Fevil.test",
            "%2F%2Fevil.test",
            "\\evil.test",
            "%5Cevil.test",
            "%5C%5Cevil.test",
            "/%5Cevil.test",
            "//evil.test/..//evil.test",
            "./evil.test",
            "/./evil.test",
            "https:",
            "a%0D%0AX-Evil:%201",
            "%252F",
        ] {
            let target = format!("{prefix}{path}");
            let response = client.get(&target);
            let Some(location) = response.header("location") else {
                assert!(matches!(response.status, 400 | 404), "{target}: {response:?}");
                continue;
            };
            redirects += 1;
            assert_eq!(response.status, 301, "{target}");
            assert!(!response.head.has("x-evil"), "{target}");
            // A path of this site, however a browser reads backslashes.
            let path = location.strip_prefix(prefix).unwrap_or_else(|| panic!("{location}"));
            assert!(!path.starts_with(['/', '\\']) && !path.contains('\\'), "{target}: {location}");
            assert_eq!(client.get(location).text(), "page", "{target}: {location}");
        }
        assert!(redirects >= 10, "{redirects} with {prefix}");
    }
}
