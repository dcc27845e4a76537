//! Collected static files, the admin's included.

use std::{collections::BTreeSet, fs};

use super::{Check, Site};

pub(super) const CHECKS: &[Check] = &[
    ("the admin's stylesheet is immutable", admin_stylesheet),
    ("every file that the admin's page needs is there", admin_page),
    ("a stylesheet finds its image", stylesheet_finds_its_image),
    ("conditions and ranges", conditions_and_ranges),
    ("the manifest is not shown", manifest_is_not_shown),
];

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn admin_stylesheet(site: &Site) {
    let path = site.django.hashed("admin/css/base.css");
    let mut client = site.sideman.connect();
    let response = client.get(&path);
    assert_eq!(response.status, 200, "{path}");
    assert_eq!(response.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some(IMMUTABLE));
    let file = site.django.static_root.join(path.trim_start_matches("/static/"));
    assert!(response.body == fs::read(file).unwrap(), "another content");
    // The same file under its plain name, which is not immutable.
    let plain = client.get("/static/admin/css/base.css");
    assert_eq!((plain.status, plain.header("cache-control")), (200, Some("public, max-age=60")));
    assert_eq!(site.sideman.log_of(&path)["route"], "static");
}

fn admin_page(site: &Site) {
    let mut client = site.sideman.connect();
    let response = client.get("/admin/login/");
    assert_eq!(response.status, 200);
    let text = response.text();
    let paths: BTreeSet<&str> = text
        .split('"')
        .filter(|part| part.starts_with("/static/"))
        .map(|part| part.split(['?', '#']).next().unwrap())
        .collect();
    assert!(paths.len() >= 4, "{text}");
    for path in paths {
        let response = client.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("cache-control"), Some(IMMUTABLE), "{path}");
    }
}

fn stylesheet_finds_its_image(site: &Site) {
    let mut client = site.sideman.connect();
    let style = client.get(&site.django.hashed("project/site.css")).text();
    let image = site.django.hashed("project/mark.svg");
    let name = image.rsplit('/').next().unwrap();
    assert!(style.contains(name), "{name} in {style}");
    assert_eq!(client.get(&image).header("content-type"), Some("image/svg+xml"));
}

fn conditions_and_ranges(site: &Site) {
    let path = site.django.hashed("admin/css/base.css");
    let mut client = site.sideman.connect();
    let whole = client.get(&path);
    let etag = whole.header("etag").unwrap();
    let fresh = client.ask("GET", &path, &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((fresh.status, fresh.body.len()), (304, 0));
    let part = client.ask("GET", &path, &format!("Range: bytes=10-19\r\nIf-Range: {etag}\r\n"));
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..20]));
    let expected = format!("bytes 10-19/{}", whole.body.len());
    assert_eq!(part.header("content-range"), Some(expected.as_str()));
    let end = client.ask("GET", &path, "Range: bytes=-5\r\n");
    assert_eq!((end.status, &end.body[..]), (206, &whole.body[whole.body.len() - 5..]));
    // Both processes have the same ETag for the same content.
    assert_eq!(site.balanced.get(&path).header("etag"), Some(etag));
}

fn manifest_is_not_shown(site: &Site) {
    assert!(site.django.static_root.join("staticfiles.json").is_file());
    for path in ["/static/staticfiles.json", "/static/../db.sqlite3", "/static/%2e%2e/db.sqlite3"] {
        assert_eq!(site.sideman.get(path).status, 404, "{path}");
    }
}
