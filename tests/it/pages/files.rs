//! Error pages from files that replace the built-in ones.

use std::{fs, path::Path};

use super::nonsense;
use crate::support::{App, Response, Settings, Sideman, TempDir, eventually};

fn start(application: &App, key: &str, page: &Path) -> Sideman {
    Settings::before(&application.url()).set(key, page.to_str().unwrap()).start()
}

/// Waits until the 502 page is this text.
#[track_caller]
fn until_page(sideman: &Sideman, text: &str) -> Response {
    eventually(&format!("the page {text:?}"), || {
        Some(sideman.get("/")).filter(|response| response.text() == text)
    })
}

/// Waits until the 502 page is the built-in one.
#[track_caller]
fn until_built_in(sideman: &Sideman) {
    eventually("the built-in page", || {
        sideman.get("/").text().starts_with("<!doctype html>").then_some(())
    });
}

#[test]
fn error_page_file_replaces_the_built_in_page() {
    let directory = TempDir::new();
    for (name, text, media_type) in [
        ("502.html", "<p>{status} Sorry</p>\n", "text/html; charset=utf-8"),
        ("502.HTM", "<p>Sorry</p>\n", "text/html; charset=utf-8"),
        ("502.json", "{\"sorry\": true}\n", "application/json"),
        ("502.txt", "Sorry\n", "text/plain; charset=utf-8"),
    ] {
        let page = directory.write(name, text);
        let application = nonsense();
        let sideman = start(&application, "errors.502", &page);
        // Read before the first request.
        let response = sideman.connect().ask("GET", "/", "X-Request-ID: the-id\r\n");
        assert_eq!((response.status, response.text().as_str()), (502, text), "{name}");
        assert_eq!(response.header("content-type"), Some(media_type), "{name}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(response.header("x-request-id"), Some("the-id"), "{name}");
        let mut client = sideman.connect();
        let head = client.ask("HEAD", "/", "");
        let length = text.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{name}");
        assert_eq!(client.get("/").text(), text, "{name}");
    }
}

#[test]
fn text_of_the_settings_is_a_page_with_its_status() {
    for (text, status, body, media_type) in [
        ("502 Back at noon.", 502, "Back at noon.", "text/plain; charset=utf-8"),
        ("503 <h1>Down</h1>", 503, "<h1>Down</h1>", "text/html; charset=utf-8"),
        ("503 {\"error\": \"down\"}", 503, "{\"error\": \"down\"}", "application/json"),
    ] {
        let application = nonsense();
        let sideman = Settings::before(&application.url()).set("errors.502", text).start();
        let mut client = sideman.connect();
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (status, body), "{text}");
        assert_eq!(response.header("content-type"), Some(media_type), "{text}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{text}");
        let head = client.ask("HEAD", "/", "");
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "{text}");
        assert_eq!(sideman.log_of("/")["status"], status, "{text}");
        // Other clients than browsers get the built-in response, unless the page is JSON.
        let response = client.ask("GET", "/", "Accept: application/json\r\n");
        let is_json = media_type == "application/json";
        assert_eq!(response.status, if is_json { status } else { 502 }, "{text}");
        let error = &response.json()["error"];
        assert_eq!(error, if is_json { "down" } else { "upstream_invalid_response" }, "{text}");
    }
}

#[test]
fn file_may_have_another_status() {
    let directory = TempDir::new();
    let page = directory.write("down.html", "<p>Down</p>");
    let application = nonsense();
    let setting = format!("503 {}", page.display());
    let sideman = Settings::before(&application.url()).set("errors.502", &setting).start();
    let response = sideman.get("/");
    assert_eq!((response.status, response.text().as_str()), (503, "<p>Down</p>"));
}

#[test]
fn json_client_gets_no_html() {
    let directory = TempDir::new();
    for (name, error) in [("502.html", "upstream_invalid_response"), ("502.json", "of the file")] {
        let page = directory.write(name, "{\"error\": \"of the file\"}");
        let application = nonsense();
        let sideman = start(&application, "errors.502", &page);
        let response = sideman.connect().ask("GET", "/", "Accept: application/json\r\n");
        assert_eq!(response.header("content-type"), Some("application/json"), "{name}");
        assert_eq!(response.json()["error"], error, "{name}");
    }
}

#[test]
fn changed_error_page_is_reloaded() {
    let directory = TempDir::new();
    let page = directory.join("502.html");
    let application = nonsense();
    let sideman = start(&application, "errors.502", &page);
    until_built_in(&sideman);
    fs::write(&page, "one").unwrap();
    until_page(&sideman, "one");
    fs::write(&page, "two").unwrap();
    until_page(&sideman, "two");
    // Editors and release switches replace files like this.
    fs::write(directory.join("new"), "six").unwrap();
    fs::rename(directory.join("new"), &page).unwrap();
    until_page(&sideman, "six");
    fs::remove_file(&page).unwrap();
    until_built_in(&sideman);
    fs::write(&page, "").unwrap();
    until_page(&sideman, "");
}

#[test]
fn missing_error_page_is_reported_once() {
    let directory = TempDir::new();
    let page = directory.join("none.html");
    let clock = directory.write("clock.html", "0");
    let application = nonsense();
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("errors.502", page.to_str().unwrap())
        .set("errors.404", clock.to_str().unwrap())
        .start();
    // A change of another page needs a check to be seen.
    let several_looks = || {
        for tick in ["1", "2", "3"] {
            fs::write(&clock, tick).unwrap();
            eventually("another look", || {
                (sideman.get("/static/none").text() == tick).then_some(())
            });
        }
    };
    until_built_in(&sideman);
    several_looks();
    let event = sideman.event("cannot read the error page");
    assert!(event.contains("errors.502"), "{event}");
    assert!(event.contains(page.to_str().unwrap()), "{event}");
    fs::write(&page, "here").unwrap();
    until_page(&sideman, "here");
    fs::remove_file(&page).unwrap();
    until_built_in(&sideman);
    several_looks();
    fs::write(&page, "again").unwrap();
    until_page(&sideman, "again");
    let (_, events) = sideman.stop_for_events();
    let told = events.iter().filter(|event| event.contains("error page")).count();
    assert_eq!(told, 2, "once for each time it was away: {events:#?}");
}

#[test]
fn unusable_error_page_is_not_sent() {
    let directory = TempDir::new();
    let large = directory.write("large.html", vec![b'x'; 1024 * 1024 + 1]);
    let fifo = directory.join("fifo.html");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    for (page, reason) in [
        (large.as_path(), "larger than 1 MiB"),
        // Reading it would wait for a writer.
        (fifo.as_path(), "not a regular file"),
        (directory.path(), "not a regular file"),
    ] {
        let application = nonsense();
        let sideman = start(&application, "errors.502", page);
        until_built_in(&sideman);
        assert!(sideman.event("cannot read the error page").contains(reason));
    }
    let full = directory.write("full.html", vec![b'x'; 1024 * 1024]);
    let application = nonsense();
    let sideman = start(&application, "errors.502", &full);
    assert_eq!(sideman.get("/").body.len(), 1024 * 1024);
}

#[test]
fn only_own_responses_use_the_error_page() {
    let directory = TempDir::new();
    let page = directory.write("page.html", "ours");
    let files = directory.write("static/a.txt", "a file");
    let application = App::start(|request| {
        let status = request.target().trim_start_matches('/');
        let head = format!("HTTP/1.1 {status} Odd\r\nConnection: keep-alive\r\n");
        format!("{head}Content-Length: 5\r\n\r\ntheir").into_bytes()
    });
    let sideman = Settings::before(&application.url())
        .files("/static/", files.parent().unwrap())
        .set("errors.404", page.to_str().unwrap())
        .set("errors.502", page.to_str().unwrap())
        .start();
    for status in [404, 502] {
        let response = sideman.get(&format!("/{status}"));
        assert_eq!((response.status, response.text().as_str()), (status, "their"));
    }
    let missing = sideman.get("/static/none.css");
    assert_eq!((missing.status, missing.text().as_str()), (404, "ours"));
    assert_eq!(missing.header("cache-control"), Some("public, max-age=5"));
    let refused = sideman.connect().ask("POST", "/static/a.txt", "");
    assert_eq!(refused.status, 405);
    assert!(refused.text().contains("405 Method Not Allowed"));
    assert_eq!(sideman.get("/static/a.txt").text(), "a file");
}
