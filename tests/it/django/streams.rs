//! Chunks that Django yields arrive at once.

use super::{Check, Site};
use crate::support::TempDir;

pub(super) const CHECKS: &[Check] = &[
    ("a stream arrives piece by piece", stream),
    ("server-sent events", events),
    ("HTTP/1.0 gets a stream, too", stream_over_http_1_0),
];

/// Names that no other check uses with this site.
fn token(site: &Site) -> String {
    let unique = TempDir::new();
    let name = unique.path().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(site.sideman.get("/echo").status, 200);
    name
}

/// The first chunk arrives while the last one is held back, and the last when it is released.
fn check_stream(site: &Site, page: &str, version: &str) -> String {
    let token = token(site);
    let mut client = site.sideman.connect();
    client.send(format!(
        "GET /{page}/{token}/ HTTP/{version}\r\nHost: example.test\r\nConnection: close\r\n\r\n"
    ));
    let mut text = client.until("first");
    assert_eq!(site.sideman.get(&format!("/release/{token}/")).status, 204);
    text.push_str(&String::from_utf8(client.until_closed()).unwrap());
    assert!(text.contains("last"), "{text}");
    text
}

fn stream(site: &Site) {
    let text = check_stream(site, "stream", "1.1");
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

fn events(site: &Site) {
    let text = check_stream(site, "events", "1.1");
    assert!(text.to_lowercase().contains("content-type: text/event-stream"), "{text}");
    assert!(text.contains("data: first\n\n") && text.contains("data: last\n\n"), "{text}");
}

fn stream_over_http_1_0(site: &Site) {
    let text = check_stream(site, "stream", "1.0");
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "first\nlast\n");
}
