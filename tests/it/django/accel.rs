//! Files that Django sends to logged-in users, with django-sendfile2.

use super::{Check, Site, login};

pub(super) const CHECKS: &[Check] = &[
    ("files for those who are logged in", files),
    ("a part of such a file", part),
    ("such a file that is missing", missing),
];

fn files(site: &Site) {
    let cookies = login::logged_in(&site.sideman);
    for (name, target, media_type, disposition) in [
        ("plain.pdf", "plain.pdf", "application/pdf", "filename=\"plain.pdf\""),
        (
            "\u{fc}ber 100%.txt",
            "%C3%BCber%20100%25.txt",
            "text/plain; charset=utf-8",
            "filename*=utf-8''%C3%BCber%20100%25.txt",
        ),
        (
            // Beyond Latin-1: Django encodes it as MIME in X-Sendfile.
            "\u{17c}\u{f3}\u{142}w.txt",
            "%C5%BC%C3%B3%C5%82w.txt",
            "text/plain; charset=utf-8",
            "filename*=utf-8''%C5%BC%C3%B3%C5%82w.txt",
        ),
    ] {
        let content = format!("the contents of {name}");
        site.wsgi.home().write(&format!("protected/{name}"), &content);
        for query in ["", "?literal"] {
            let page = format!("/send/{target}/{query}");
            let mut client = site.sideman.connect();
            let untrusted = client.get(&page);
            assert_eq!(untrusted.status, 302, "{page}");
            let response = client.ask("GET", &page, &format!("Cookie: {cookies}\r\n"));
            assert_eq!((response.status, response.text()), (200, content.clone()), "{page}");
            // The default type of Django is text/html.
            assert_eq!(response.header("content-type"), Some(media_type), "{page}");
            let expected = format!("attachment; {disposition}");
            assert_eq!(response.header("content-disposition"), Some(expected.as_str()));
            let length = content.len().to_string();
            assert_eq!(response.header("content-length"), Some(length.as_str()));
            assert_eq!(response.header("x-frame-options"), Some("DENY"));
            assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(response.header("cache-control"), Some("private, no-cache"));
            assert!(response.header("vary").unwrap().contains("Cookie"));
            let cookies = response.head.all("set-cookie");
            for name in ["sent=1", "again=1"] {
                assert!(cookies.iter().any(|cookie| cookie.starts_with(name)), "{cookies:?}");
            }
            assert!(!response.head.has("x-accel-redirect") && !response.head.has("x-sendfile"));
        }
        assert_eq!(site.sideman.get(&format!("/protected/{target}")).status, 404);
    }
}

fn part(site: &Site) {
    let cookies = format!("Cookie: {}\r\n", login::logged_in(&site.sideman));
    site.wsgi.home().write("protected/part.txt", "abcdefghij");
    let mut client = site.sideman.connect();
    let whole = client.ask("GET", "/send/part.txt/", &cookies);
    let etag = whole.header("etag").unwrap();
    let fields = format!("{cookies}Range: bytes=2-4\r\nIf-Range: {etag}\r\n");
    let part = client.ask("GET", "/send/part.txt/", &fields);
    assert_eq!((part.status, part.text().as_str()), (206, "cde"));
    let known =
        client.ask("GET", "/send/part.txt/", &format!("{cookies}If-None-Match: {etag}\r\n"));
    assert_eq!((known.status, known.body.len()), (304, 0));
    let head = client.ask("HEAD", "/send/part.txt/", &cookies);
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
}

fn missing(site: &Site) {
    let cookies = format!("Cookie: {}\r\n", login::logged_in(&site.sideman));
    // Django can read the file, and clients cannot.
    site.wsgi.home().write("protected/.hidden", "hidden");
    let response = site.sideman.connect().ask("GET", "/send/.hidden/", &cookies);
    assert_eq!((response.status, response.header("cache-control")), (404, Some("no-store")));
}
