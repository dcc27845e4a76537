//! The built-in error pages, for people and for programs.

use serde_json::json;

use super::nonsense;
use crate::support::{App, Settings, TempDir};

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

#[test]
fn json_client_gets_json_errors() {
    let application = nonsense();
    let sideman = Settings::before(&application.url()).start();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, media_type) in [
        (None, HTML),
        (Some("*/*"), HTML),
        (Some(browser), HTML),
        (Some("text/html, application/json"), HTML),
        (Some("application/json;q=0.5, text/html"), HTML),
        (Some("image/png"), HTML),
        (Some("application/json;q=0"), HTML),
        (Some("application/json"), JSON),
        (Some("application/json, text/plain, */*"), JSON),
        (Some("application/problem+json"), JSON),
        (Some("text/html;q=0.5, application/json;q=0.6"), JSON),
    ] {
        let field = accept.map(|accept| format!("Accept: {accept}\r\n")).unwrap_or_default();
        let fields = format!("X-Request-ID: the-id\r\n{field}");
        let response = sideman.connect().ask("GET", "/", &fields);
        assert_eq!(response.status, 502);
        assert_eq!(response.header("content-type"), Some(media_type), "{accept:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("x-request-id"), Some("the-id"));
        if media_type == JSON {
            let expected = json!({
                "status": 502,
                "error": "upstream_invalid_response",
                "message": "The application's response is not valid HTTP.",
                "request_id": "the-id",
            });
            assert_eq!(response.json(), expected, "{accept:?}");
        } else {
            let page = response.text();
            assert!(page.starts_with("<!doctype html>"), "{page}");
            assert!(page.contains("502 Bad Gateway") && page.contains("the-id"), "{page}");
        }
    }
}

#[test]
fn every_own_response_can_be_json() {
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    let application = nonsense();
    let sideman = Settings::before(&application.url()).files("/static/", directory.path()).start();
    for (method, target, status, error) in [
        ("GET", "/", 502, "upstream_invalid_response"),
        ("GET", "/static/%zz", 400, "path_invalid"),
        ("POST", "/static/a.txt", 405, "method_not_allowed"),
        ("GET", "/static/none.0123456789ab.css", 404, "not_found"),
        ("GET", "/static/none.css", 404, "not_found"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ] {
        let mut client = sideman.connect();
        let response = client.ask(method, target, "Accept: application/json\r\n");
        assert_eq!(response.status, status, "{target}");
        let json = response.json();
        assert_eq!((&json["status"], &json["error"]), (&json!(status), &json!(error)), "{target}");
        assert!(json["message"].as_str().is_some_and(|text| text.len() > 10), "{json}");
    }
}

/// A cacheable page has no request id, and declares which request headers it depends on.
#[test]
fn cacheable_error_page_is_the_same_for_all_clients() {
    let directory = TempDir::new();
    let application = App::saying("here");
    let sideman = Settings::before(&application.url()).files("/static/", directory.path()).start();
    let mut client = sideman.connect();
    for (accept, media_type) in [("text/html", HTML), ("application/json", JSON)] {
        let fields = format!("X-Request-ID: the-id\r\nAccept: {accept}\r\n");
        let response = client.ask("GET", "/static/none.css", &fields);
        assert_eq!(response.status, 404);
        assert_eq!(response.header("cache-control"), Some("public, max-age=5"));
        assert_eq!(response.header("vary"), Some("accept"));
        assert_eq!(response.header("content-type"), Some(media_type));
        assert!(!response.text().contains("the-id") && !response.text().contains("request_id"));
    }
}

#[test]
fn head_gets_the_headers_of_get_and_no_body() {
    let application = nonsense();
    let sideman = Settings::before(&application.url()).start();
    let mut client = sideman.connect();
    for accept in ["text/html", "application/json"] {
        let fields = format!("X-Request-ID: the-id\r\nAccept: {accept}\r\n");
        let got = client.ask("GET", "/", &fields);
        // A body byte would be read as the head of the next response.
        let head = client.ask("HEAD", "/", &fields);
        assert_eq!(head.status, 502);
        let length = got.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{accept}");
        assert_eq!(head.header("content-type"), got.header("content-type"), "{accept}");
    }
}

#[test]
fn application_error_pages_are_not_changed() {
    let application = App::start(|_| {
        b"HTTP/1.1 502 Bad Gateway\r\nConnection: keep-alive\r\nContent-Length: 8\r\n\r\nits own\n"
            .to_vec()
    });
    let sideman = Settings::before(&application.url()).start();
    let response = sideman.connect().ask("GET", "/", "Accept: application/json\r\n");
    assert_eq!((response.status, response.text().as_str()), (502, "its own\n"));
    assert!(!response.head.has("content-type"));
}
