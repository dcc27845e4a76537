//! The error pages of routes.

use crate::support::{App, Settings, TempDir, eventually};

#[test]
fn route_has_error_pages_of_its_own() {
    // Its responses are not HTTP: each becomes a 502.
    let application = App::start(|_| b"nonsense\r\n\r\n".to_vec());
    let directory = TempDir::new();
    let page = |name: &str| {
        directory.write(name, name.strip_suffix(".html").unwrap_or("{\"page\": \"json\"}"));
        directory.join(name).display().to_string()
    };
    let pages = |pages: &[(&str, &str)]| {
        let one = |(status, name): &(&str, &str)| format!("{status}={}", page(name));
        pages.iter().map(one).collect::<Vec<_>>().join(",")
    };
    let sideman = Settings::before(&application.url())
        .set("errors.502", &page("global 502.html"))
        .set("errors.404", &page("global 404.html"))
        .files("/static/", directory.path())
        .route(
            "shop",
            &[
                ("path", "/shop/"),
                ("errors", &pages(&[("5xx", "shop 5xx.html"), ("502", "shop 502.html")])),
            ],
        )
        .route("cart", &[("path", "/shop/cart/"), ("max_body", "1MiB")])
        .route("api", &[("path", "/shop/api/"), ("errors", &pages(&[("502", "api.json")]))])
        .route("busy", &[("path", "/shop/busy/"), ("respond", "503")])
        .route("gone", &[("path", "/shop/gone/"), ("respond", "410")])
        .route("files", &[("path", "/static/"), ("errors", &pages(&[("404", "file 404.html")]))])
        .start();
    let mut client = sideman.connect();
    for (path, status, text) in [
        ("/", 502, "global 502"),
        ("/shop/", 502, "shop 502"),
        // The next less specific route decides.
        ("/shop/cart/", 502, "shop 502"),
        ("/shop/busy/", 503, "shop 5xx"),
        ("/shop/api/", 502, "{\"page\": \"json\"}"),
        ("/static/none.css", 404, "file 404"),
    ] {
        let response = client.get(path);
        assert_eq!((response.status, response.text().as_str()), (status, text), "{path}");
        let response = client.ask("HEAD", path, "");
        assert_eq!(response.header("content-length"), Some(&*text.len().to_string()), "{path}");
    }
    let response = client.get("/shop/gone/");
    assert!(response.text().contains("<h1>410 Gone</h1>"), "{}", response.text());
    // A client that prefers JSON gets no HTML.
    let response = client.ask("GET", "/shop/", "Accept: application/json\r\n");
    assert_eq!(response.json()["error"], "upstream_invalid_response");
    // Changed files are read again.
    directory.write("shop 502.html", "changed");
    eventually("the changed page", || (sideman.get("/shop/").text() == "changed").then_some(()));
    std::fs::remove_file(directory.join("shop 502.html")).unwrap();
    let event = sideman.event("cannot read the error page");
    assert!(event.contains("setting=\"route.shop.errors\""), "{event}");
    eventually("the built-in page", || {
        sideman.get("/shop/").text().contains("<h1>502 Bad Gateway</h1>").then_some(())
    });
}
