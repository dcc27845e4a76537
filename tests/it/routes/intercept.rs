//! `intercept`: error pages in place of the application's own responses.

use crate::support::{After, App, Http2, Settings, TempDir, UwsgiApp};

/// A response with the status in the path, and header fields of all kinds.
fn reply(path: &str) -> Vec<u8> {
    let status = path.rsplit('/').next().unwrap();
    let body = if status == "599" { "x".repeat(200_000) } else { "its own".to_owned() };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Own Reason\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: keep-alive\r\nSet-Cookie: a=b\r\nRetry-After: 7\r\nAllow: GET\r\nX-Own: own\r\n\
         WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer\r\nX-Accel-Buffering: no\r\n\r\n{body}"
    )
    .into_bytes()
}

fn settings(url: &str, directory: &TempDir) -> Settings {
    let page = directory.write("404.html", "no such page").display().to_string();
    Settings::before(url)
        .set("server.workers", "1")
        .set("errors.404", &page)
        .route("all", &[("intercept", "404, 5xx, 401")])
        .route("own", &[("path", "/own/"), ("intercept", "none")])
        .route("forms", &[("path", "/forms/"), ("intercept", "404")])
}

#[test]
fn error_pages_replace_responses_of_the_application() {
    let application = App::start(|request| reply(request.target()));
    let directory = TempDir::new();
    let sideman = settings(&application.url(), &directory).start();
    let mut client = sideman.connect();
    for (path, status, text) in [
        ("/404", 404, Some("no such page")),
        ("/forms/404", 404, Some("no such page")),
        ("/500", 500, Some("<h1>500 Internal Server Error</h1>")),
        ("/401", 401, Some("<h1>401 Unauthorized</h1>")),
        ("/403", 403, None),
        ("/200", 200, None),
        ("/own/404", 404, None),
        ("/forms/500", 500, None),
    ] {
        let response = client.get(path);
        assert_eq!(response.status, status, "{path}");
        assert!(response.text().contains(text.unwrap_or("its own")), "{path}: {}", response.text());
        let is_replaced = text.is_some();
        for name in ["set-cookie", "x-own"] {
            assert_eq!(response.header(name).is_none(), is_replaced, "{path} {name}");
        }
        // They belong to the status.
        assert_eq!(response.header("retry-after"), Some("7"), "{path}");
        assert_eq!(response.header("allow"), Some("GET"), "{path}");
        assert_eq!(response.head.all("www-authenticate"), ["Basic", "Bearer"], "{path}");
        assert!(!response.head.has("x-accel-buffering"), "{path}");
        assert_eq!(response.head.start.contains("Own Reason"), !is_replaced, "{path}");
    }
    let head = client.ask("HEAD", "/404", "");
    assert_eq!((head.status, head.header("content-length")), (404, Some("12")));
    let response = client.ask("GET", "/500", "Accept: application/json\r\n");
    assert_eq!(response.json()["error"], "application");
    let log = sideman.log_of("/404");
    assert_eq!((&log["route"], &log["error"]), (&"proxy".into(), &serde_json::Value::Null));
    let mut client = Http2::connect(sideman.address());
    let response = client.get("/404");
    assert_eq!((response.status, response.text().as_str()), (404, "no such page"));
    assert_eq!(response.header("retry-after"), Some("7"));
}

#[test]
fn connection_to_the_application_is_kept_after_a_short_body() {
    let application = App::start(|request| reply(request.target()));
    let directory = TempDir::new();
    let sideman = settings(&application.url(), &directory).start();
    let mut client = sideman.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/500").status, 500);
    }
    assert_eq!(application.connections(), 1);
    // A long one costs the connection, but no memory.
    for _ in 0..2 {
        assert!(client.get("/599").text().contains("<h1>599 Error</h1>"));
    }
    assert_eq!(client.get("/200").text(), "its own");
    assert_eq!(application.connections(), 3);
}

#[test]
fn responses_over_uwsgi_are_replaced() {
    let application = UwsgiApp::tcp(After::Close, |packet| reply(packet.get("PATH_INFO").unwrap()));
    let directory = TempDir::new();
    let sideman = settings(&application.url(), &directory).start();
    let response = sideman.get("/404");
    assert_eq!((response.status, response.text().as_str()), (404, "no such page"));
    assert!(!response.head.has("set-cookie"));
    assert_eq!(sideman.get("/own/404").text(), "its own");
}

#[test]
fn page_of_a_route_may_be_a_text_with_another_status() {
    let application = App::start(|request| reply(request.target()));
    let pages = "5xx=503 Back soon., 404=410 {\"a\": 1, \"b\": 2}";
    let sideman = Settings::before(&application.url())
        .route("all", &[("errors", pages), ("intercept", "404, 500")])
        .start();
    let mut client = sideman.connect();
    for (path, status, text) in [
        ("/500", 503, "Back soon."),
        ("/404", 410, "{\"a\": 1, \"b\": 2}"),
        ("/502", 502, "its own"),
    ] {
        let response = client.get(path);
        assert_eq!((response.status, response.text().as_str()), (status, text), "{path}");
    }
}
