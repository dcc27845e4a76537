//! The actions of a route: files, redirects, fixed responses.

use crate::support::{App, Settings, Sideman, TempDir};

fn is_redirect(sideman: &Sideman, target: &str, status: u16, location: &str) {
    let response = sideman.get(target);
    assert_eq!(response.status, status, "{target}");
    assert_eq!(response.header("location"), Some(location), "{target}");
}

#[test]
fn redirects_fill_their_location() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route(
            "moved",
            &[("path", "/old/"), ("redirect", "301 https://example.org/new/{rest}{query}")],
        )
        .route("slash", &[("path", "/about"), ("redirect", "308 {path}/{query}")])
        .route("group", &[("path", "~^/(\\d+)/(.*)$"), ("redirect", "302 /posts/{2}?year={1}")])
        .route(
            "host",
            &[("host", "example.org"), ("redirect", "301 {scheme}://www.{host}{path}{query}")],
        )
        .route("bare", &[("path", "/bare**"), ("redirect", "302 {path}")])
        .start();
    is_redirect(&sideman, "/old/a/b?c=d", 301, "https://example.org/new/a/b?c=d");
    is_redirect(&sideman, "/old/", 301, "https://example.org/new/");
    is_redirect(&sideman, "/about?x", 308, "/about/?x");
    is_redirect(&sideman, "/2024/a%20b", 302, "/posts/a%20b?year=2024");
    // The requested host is compared without its port, and inserted with it.
    let mut client = sideman.connect();
    client.send("GET /a?b HTTP/1.1\r\nHost: Example.org:8080\r\n\r\n");
    let response = client.response();
    assert_eq!(response.header("location"), Some("http://www.Example.org:8080/a?b"));
    assert_eq!(sideman.get("/other").text(), "application");
    let log = sideman.log_of("/about");
    assert_eq!((&log["route"], &log["status"]), (&"respond".into(), &308.into()));
}

/// HTTP/1.0 names no host, so a location with it would lead nowhere.
#[test]
fn redirect_to_the_requested_host_needs_a_host() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("host", &[("redirect", "301 https://{host}{path}")])
        .route("path", &[("path", "/path/"), ("redirect", "301 /new/{rest}")])
        .start();
    for (path, status) in [("/a", 400), ("/path/a", 301)] {
        let mut client = sideman.connect();
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        assert_eq!(client.response().status, status, "{path}");
    }
    assert_eq!(sideman.log_of("/a")["error"], "host_missing");
}

/// Browsers take `//host` and `/\host` for another site.
#[test]
fn no_path_chooses_the_host_of_a_redirect() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("path", &[("redirect", "302 {path}{query}")])
        .route("rest", &[("path", "/r/"), ("redirect", "302 /{rest}")])
        .route("group", &[("path", "~^/g(.*)$"), ("redirect", "302 /{1}")])
        .start();
    for (target, location) in [
        ("//attacker.test/x", "/attacker.test/x"),
        ("/\\attacker.test/x", "/attacker.test/x"),
        ("///attacker.test", "/attacker.test"),
        ("/r//attacker.test", "/attacker.test"),
        ("/r/%2Fattacker.test", "/attacker.test"),
        ("/r/%5Cattacker.test", "/%5Cattacker.test"),
        ("/g//attacker.test", "/attacker.test"),
        ("/g/attacker.test", "/attacker.test"),
        ("/r/a%0d%0aSet-Cookie:x", "/a%0D%0ASet-Cookie%3Ax"),
    ] {
        is_redirect(&sideman, target, 302, location);
    }
}

#[test]
fn fixed_responses_have_their_text_or_a_page() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route(
            "robots",
            &[("path", "/robots.txt"), ("respond", "200 User-agent: *\\nDisallow: /\\n")],
        )
        .route("gone", &[("path", "/gone/"), ("respond", "410")])
        .route("empty", &[("path", "/empty"), ("respond", "204")])
        .route("health", &[("path", "/healthz"), ("respond", "500")])
        .start()
        .until_ready();
    let response = sideman.get("/robots.txt");
    assert_eq!((response.status, response.text().as_str()), (200, "User-agent: *\nDisallow: /\n"));
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    let response = sideman.get("/gone/a");
    assert_eq!(response.status, 410);
    assert!(response.text().contains("<h1>410 Gone</h1>"), "{}", response.text());
    let mut client = sideman.connect();
    let response = client.ask("GET", "/gone/a", "Accept: application/json\r\n");
    assert!(response.text().contains("\"status\":410"), "{}", response.text());
    let response = client.ask("HEAD", "/robots.txt", "");
    assert_eq!((response.status, response.header("content-length")), (200, Some("26")));
    // The request body is read, so the connection can be reused.
    let response = client.ask("GET", "/empty", "");
    assert_eq!((response.status, response.head.has("content-length")), (204, false));
    client.send("POST /robots.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.response().status, 200);
    assert_eq!(client.get("/x").text(), "application");
    // Health checks are matched before routes.
    assert_eq!(sideman.get("/healthz").status, 200);
}

#[test]
fn files_of_a_route_are_named_without_its_prefix() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    directory.write("index.html", "page");
    directory.write("robots.txt", "robots");
    directory.write("app.js", "script");
    let place = directory.path().to_str().unwrap();
    let robots = directory.join("robots.txt");
    let sideman = Settings::before(&application.url())
        .route("site", &[("path", "/site/"), ("files", place), ("max_age", "2h")])
        .route("uploads", &[("path", "/uploads/"), ("media", place)])
        .route("robots", &[("path", "/robots.txt"), ("file", robots.to_str().unwrap())])
        .route("scripts", &[("path", "*.js"), ("files", place)])
        .start();
    let response = sideman.get("/site/app.js");
    assert_eq!(response.text(), "script");
    assert_eq!(response.header("cache-control"), Some("public, max-age=7200"));
    assert_eq!(sideman.get("/site/none.js").status, 404);
    assert_eq!(sideman.get("/site/%2e%2e/etc/passwd").text(), "application");
    let response = sideman.get("/uploads/index.html");
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert!(response.head.has("content-security-policy"));
    let response = sideman.get("/robots.txt");
    assert_eq!(response.text(), "robots");
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    // If the pattern is not a prefix, the whole path names the file.
    assert_eq!(sideman.get("/app.js").text(), "script");
    assert_eq!(sideman.get("/x/app.js").status, 404);
    assert_eq!(sideman.get("/x/app.css").text(), "application");
    assert_eq!(sideman.connect().ask("POST", "/robots.txt", "").status, 405);
    assert_eq!(sideman.log_of("/site/app.js")["route"], "static");
}

/// nginx: `try_files $uri @app`.
#[test]
fn missing_files_fall_through_to_the_next_action() {
    let (application, other) = (App::saying("application"), App::saying("other"));
    let (directory, older) = (TempDir::new(), TempDir::new());
    directory.write("a.txt", "new");
    older.write("a.txt", "old");
    older.write("b.txt", "old b");
    let sideman = Settings::before(&application.url())
        .route("root", &[("files", directory.path().to_str().unwrap()), ("fallthrough", "true")])
        .route(
            "older",
            &[("path", "/x/"), ("files", older.path().to_str().unwrap()), ("fallthrough", "true")],
        )
        .route("api", &[("path", "/api/"), ("upstream", &other.url())])
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/a.txt").text(), "new");
    assert_eq!(client.get("/none.txt").text(), "application");
    assert_eq!(client.get("/").text(), "application");
    assert_eq!(client.get("/.hidden").text(), "application");
    assert_eq!(client.get("/x/a.txt").text(), "old");
    assert_eq!(client.get("/x/c.txt").text(), "application");
    assert_eq!(client.get("/api/a.txt").text(), "other");
    for method in ["POST", "DELETE", "OPTIONS"] {
        assert_eq!(client.ask(method, "/a.txt", "").text(), "application", "{method}");
    }
    assert_eq!(client.ask("HEAD", "/a.txt", "").header("content-length"), Some("3"));
    assert_eq!(sideman.log_of("/none.txt")["route"], "proxy");
}

#[test]
fn single_page_application_gets_its_page_for_names_without_an_extension() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    directory.write("index.html", "the page");
    directory.write("a.js", "script");
    let sideman = Settings::before(&application.url())
        .route("spa", &[("files", directory.path().to_str().unwrap()), ("spa", "index.html")])
        .route("api", &[("path", "/api/"), ("stream", "none"), ("upstream", &application.url())])
        .start();
    let mut client = sideman.connect();
    const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for path in ["/", "/users/7", "/users/"] {
        let response = client.ask("GET", path, BROWSER);
        assert_eq!((response.status, response.text().as_str()), (200, "the page"), "{path}");
        assert!(response.head.all("vary").concat().contains("accept"), "{path}");
    }
    for (path, fields) in
        [("/users/7", "Accept: */*\r\n"), ("/users/7", ""), ("/a.png", BROWSER), ("/b.js", BROWSER)]
    {
        assert_eq!(client.ask("GET", path, fields).status, 404, "{path} {fields}");
    }
    assert_eq!(client.ask("GET", "/a.js", BROWSER).text(), "script");
    assert_eq!(client.ask("POST", "/users/7", BROWSER).status, 405);
    assert_eq!(client.ask("GET", "/api/x", BROWSER).text(), "application");
    // The page has its own validator.
    let tag = client.ask("GET", "/users/7", BROWSER).header("etag").unwrap().to_owned();
    let known = format!("{BROWSER}If-None-Match: {tag}\r\n");
    assert_eq!(client.ask("GET", "/users/8", &known).status, 304);
}

/// It is about the server as a whole, which has no file and no other address.
#[test]
fn options_of_the_server_needs_no_path() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    let place = directory.path().to_str().unwrap();
    let file = directory.write("a.html", "a file").display().to_string();
    for (action, value, status) in [
        ("files", place, 204),
        ("file", &*file, 204),
        ("redirect", "301 https://example.org{path}", 204),
        ("respond", "403", 403),
        ("max_body", "1MiB", 200),
    ] {
        let sideman = Settings::before(&application.url()).route("all", &[(action, value)]).start();
        let response = sideman.connect().ask("OPTIONS", "*", "");
        assert_eq!(response.status, status, "{action}");
        assert_eq!(response.head.has("allow"), status == 204, "{action}");
        // Only OPTIONS may have this target.
        assert_eq!(sideman.connect().ask("GET", "*", "").status, 400, "{action}");
    }
}
