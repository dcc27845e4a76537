//! Content types: additions of the site, and the charset.

use super::Site;

#[test]
fn configured_types_override_built_in_types() {
    let cases = [
        ("track.gpx", "application/x-own"),
        ("track.GPX", "application/x-own"),
        ("a.tar.gz", "application/x-archive"),
        ("a.js", "application/javascript; charset=utf-8"),
        ("a.md", "text/markdown; variant=GFM"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.unknown", "application/octet-stream"),
    ];
    let own = "gpx=application/x-own, gz=application/x-archive, js=application/javascript, \
               md=text/markdown; variant=GFM";
    let files = cases.map(|(name, _)| (name, &b"content"[..]));
    let site = Site::set(&files, |settings| settings.set("static.types", own));
    let mut client = site.sideman.connect();
    for (name, expected) in cases {
        let response = client.get(&format!("/static/{name}"));
        assert_eq!(response.header("content-type"), Some(expected), "{name}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{name}");
    }
}

#[test]
fn the_charset_is_a_setting() {
    let names = ["a.css", "a.js", "a.html", "a.json", "a.svg", "a.png"];
    let bare = [
        "text/css",
        "text/javascript",
        "text/html",
        "application/json",
        "image/svg+xml",
        "image/png",
    ];
    let files = names.map(|name| (name, &b"content"[..]));
    for (charset, parameter) in [("none", ""), ("iso-8859-1", "; charset=iso-8859-1")] {
        let site = Site::set(&files, |settings| settings.set("static.charset", charset));
        let mut client = site.sideman.connect();
        for (name, bare) in names.into_iter().zip(bare) {
            let response = client.get(&format!("/static/{name}"));
            // Types other than text/* have no such parameter.
            let parameter = if bare.starts_with("text/") { parameter } else { "" };
            let expected = format!("{bare}{parameter}");
            assert_eq!(response.header("content-type"), Some(expected.as_str()), "{name}");
        }
    }
}
