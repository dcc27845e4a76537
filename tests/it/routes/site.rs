//! Short settings that are routes too, and sites without an application.

use serde_json::Value;

use crate::support::{App, Settings, TempDir, eventually_is};

#[test]
fn www_is_redirected_to_the_canonical_host_and_back() {
    let application = App::saying("application");
    for (canonical, other) in
        [("example.org", "www.example.org"), ("www.example.org", "example.org")]
    {
        let sideman =
            Settings::before(&application.url()).set("server.canonical_host", canonical).start();
        let ask = |host: &str| {
            let mut client = sideman.connect();
            client
                .send(format!("POST /a?b HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\n\r\nx"));
            client.response()
        };
        let response = ask(other);
        assert_eq!(response.status, 308);
        let location = format!("http://{canonical}/a?b");
        assert_eq!(response.header("location"), Some(location.as_str()));
        for host in [canonical, "shop.example.org", "127.0.0.1:8080"] {
            assert_eq!(ask(host).text(), "application", "{host}");
        }
    }
}

/// A balancer that terminates TLS and reports nothing.
#[test]
fn external_scheme_replaces_what_proxies_report() {
    let application = App::start(|request| {
        let head = &request.head;
        let told = ["x-forwarded-proto", "x-forwarded-port"]
            .map(|name| head.get(name).unwrap_or_default());
        App::reply(told.join(" ").as_bytes())
    });
    for (trusted, fields, expected) in [
        ("none", "", "https 443"),
        ("127.0.0.1", "", "https 443"),
        ("127.0.0.1", "X-Forwarded-Proto: http\r\n", "https 443"),
    ] {
        let sideman = Settings::before(&application.url())
            .set("server.external_scheme", "https")
            .set("server.trusted_proxies", trusted)
            .start();
        let response = sideman.connect().ask("GET", "/", fields);
        assert_eq!(response.text(), expected, "{trusted} {fields}");
    }
}

#[test]
fn files_at_the_root_are_served_and_all_else_is_the_applications() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    directory.write("robots.txt", "robots");
    directory.write("favicon.ico", "icon");
    directory.write(".env", "secret");
    directory.write("plain", "no dot");
    std::fs::create_dir(directory.path().join("deep")).unwrap();
    directory.write("deep/a.txt", "deep");
    let sideman = Settings::before(&application.url())
        .set("static.root_files", directory.path().to_str().unwrap())
        .start();
    for (path, text) in [
        ("/robots.txt", "robots"),
        ("/favicon.ico", "icon"),
        ("/", "application"),
        ("/none.txt", "application"),
        ("/plain", "application"),
        ("/.env", "application"),
        ("/deep/a.txt", "application"),
        ("/x/robots.txt", "application"),
    ] {
        assert_eq!(sideman.get(path).text(), text, "{path}");
    }
    // It appears while the process runs.
    directory.write("late.txt", "late");
    eventually_is("the file", &"late".to_owned(), || sideman.get("/late.txt").text());
}

#[test]
fn site_of_files_alone_needs_no_application() {
    let directory = TempDir::new();
    directory.write("index.html", "page");
    let sideman = Settings::default()
        .args(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .set("health.wait_for_application", "true")
        .set("static.index", "index.html")
        .route("site", &[("files", directory.path().to_str().unwrap())])
        .start()
        .until_ready();
    assert_eq!(sideman.get("/").text(), "page");
    assert_eq!(sideman.get("/none").status, 404);
    assert_eq!(sideman.get("/readyz").status, 200);
    assert_eq!(sideman.connect().ask("POST", "/", "").status, 405);
    let line: Value = sideman.log_of("/none");
    assert_eq!(line["route"], "static");
}

#[test]
fn application_is_needed_unless_a_route_responds_to_everything() {
    let ended = |settings: &[(&str, &str)]| {
        Settings::default().args(&["check"]).route("a", settings).run_to_end()
    };
    for settings in [
        &[("path", "/a/"), ("respond", "404")][..],
        &[("files", "/srv"), ("fallthrough", "true")],
        &[("host", "a.test"), ("respond", "404")],
        &[("stream", "none")],
    ] {
        let ended = ended(settings);
        assert_eq!(ended.code, Some(2), "{settings:?}");
        assert!(ended.stderr.contains("upstream.url (not set)"), "{}", ended.stderr);
    }
    for settings in
        [&[("respond", "404")][..], &[("path", "/"), ("redirect", "301 https://a.test{path}")]]
    {
        assert_eq!(ended(settings).code, Some(0), "{settings:?}");
    }
}
