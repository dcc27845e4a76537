//! The forwarded request of a route: a changed path, `Host`, headers, `SCRIPT_NAME`; and the limits of a
//! route.

use serde_json::Value;

use crate::support::{
    App, Django, Gate, Origin, Server, Settings, Wsgi, expect, open, until_closed,
};

/// Responds with the received target, host, and `X-*` and `Cookie` headers.
fn echo() -> App {
    App::start(|request| {
        let head = &request.head;
        let mut told = format!("{} {}", request.target(), head.get("host").unwrap_or_default());
        for name in ["x-a", "x-b", "cookie", "x-forwarded-proto", "script_name"] {
            for value in head.all(name) {
                told.push_str(&format!(" {name}={value}"));
            }
        }
        App::reply(told.as_bytes())
    })
}

#[test]
fn prefixes_are_stripped_and_replaced() {
    let application = echo();
    let sideman = Settings::before(&application.url())
        .route("api", &[("path", "/api/, /api"), ("strip_prefix", "true")])
        .route("v1", &[("path", "/v1/"), ("replace_prefix", "/v2/")])
        .route("deep", &[("path", "/api/deep/"), ("stream", "none")])
        .route("icon", &[("path", "/favicon.ico"), ("replace_prefix", "/i/favicon.ico")])
        .route("up", &[("path", "/up"), ("replace_prefix", "/login?next=/")])
        .start();
    let mut client = sideman.connect();
    for (target, expected) in [
        ("/api/", "/"),
        ("/api", "/"),
        ("/api/x/y?a=b%20c", "/x/y?a=b%20c"),
        ("/v1/x", "/v2/x"),
        ("/other/api/x", "/other/api/x"),
        // The client's spelling is kept if it means the same.
        ("/api/a%2Fb", "/a%2Fb"),
        ("/api/%E9?%2F", "/%E9?%2F"),
        // Otherwise the application gets the normalised path that the route has matched.
        ("/%61pi/x", "/x"),
        ("/api//x", "/x"),
        ("//api/a%20b", "/a%20b"),
        ("/x/../v1/y", "/v2/y"),
        // An exact path becomes any other.
        ("/favicon.ico?v=2", "/i/favicon.ico?v=2"),
        ("/%66avicon.ico", "/i/favicon.ico"),
        ("/up", "/login?next=/"),
        ("/up?a=b", "/login?next=/&a=b"),
        ("/up/x", "/up/x"),
        // The prefix is that of the route that sets it.
        ("/api/deep/x", "/deep/x"),
    ] {
        let told = client.get(target).text();
        assert_eq!(told.split(' ').next(), Some(expected), "{target}");
    }
}

#[test]
fn host_and_headers_are_those_of_the_route() {
    let (application, other) = (echo(), echo());
    let sideman = Settings::before(&application.url())
        .route(
            "all",
            &[("request_headers", "remove Cookie, set X-A: one, default X-B: {client} {scheme}")],
        )
        .route(
            "other",
            &[
                ("path", "/other/"),
                ("upstream", &other.url()),
                ("host_header", "upstream"),
                (
                    "request_headers",
                    "set X-A: two, add X-B: {host}{path}{query}, set X-Forwarded-Proto: https",
                ),
            ],
        )
        .route("named", &[("path", "/named"), ("host_header", "internal.example:81")])
        .route("template", &[("path", "/template"), ("host_header", "www.{host}")])
        .start();
    let mut client = sideman.connect();
    let fields = "Cookie: a=b\r\nX-A: client\r\n";
    let http = "x-forwarded-proto=http";
    let address = other.url().trim_start_matches("http://").to_owned();
    for (target, fields, expected) in [
        ("/", fields, format!("/ example.test x-a=one x-b=127.0.0.1 http {http}")),
        ("/", "X-B: own\r\n", format!("/ example.test x-a=one x-b=own {http}")),
        (
            "/other/x?y",
            fields,
            format!(
                "/other/x?y {address} x-a=two x-b=127.0.0.1 http x-b=example.test/other/x?y x-forwarded-proto=https"
            ),
        ),
        ("/named", "", format!("/named internal.example:81 x-a=one x-b=127.0.0.1 http {http}")),
        ("/template", "", format!("/template www.example.test x-a=one x-b=127.0.0.1 http {http}")),
    ] {
        assert_eq!(client.ask("GET", target, fields).text(), expected, "{target}");
    }
}

/// A client cannot set it, in any spelling.
#[test]
fn script_name_of_a_client_is_dropped() {
    let application = echo();
    let sideman = Settings::before(&application.url())
        .route("app", &[("path", "/app/"), ("script_name", "/app")])
        .start();
    let mut client = sideman.connect();
    for fields in ["SCRIPT_NAME: /evil\r\n", "Script_Name: /evil\r\n", ""] {
        let told = client.ask("GET", "/x", fields).text();
        assert!(!told.contains("script_name"), "{told}");
        let told = client.ask("GET", "/app/x", fields).text();
        assert!(told.starts_with("/app/x ") && told.ends_with(" script_name=/app"), "{told}");
    }
}

/// Django makes links below it, and matches its own paths without it.
#[test]
fn django_is_below_its_script_name() {
    let Some(django) = Django::prepared() else { return };
    for server in [
        Server::GunicornSync,
        Server::GunicornThreads,
        Server::UwsgiPackets,
        Server::UwsgiPacketsUnix,
    ] {
        let wsgi = Wsgi::start(server, django);
        let sideman = wsgi
            .settings()
            .route("app", &[("path", "/app/"), ("script_name", "/app")])
            .start()
            .until_ready();
        let mut client = sideman.connect();
        let told: Value = serde_json::from_str(&client.get("/app/echo/a%20b?c").text()).unwrap();
        assert_eq!(told["path"], "/app/echo/a b", "{server:?}");
        assert_eq!(told["meta"]["SCRIPT_NAME"], "/app", "{server:?}");
        assert_eq!(told["meta"]["PATH_INFO"], "/echo/a b", "{server:?}");
        let told: Value = serde_json::from_str(&client.get("/echo").text()).unwrap();
        assert_eq!(told["path"], "/echo", "{server:?}");
    }
}

#[test]
fn body_limit_is_that_of_the_route() {
    let application = App::start(|request| App::reply(request.body.len().to_string().as_bytes()));
    let sideman = Settings::before(&application.url())
        .set("server.max_body", "2KiB")
        .route("upload", &[("path", "/upload/"), ("max_body", "1MiB")])
        .route("small", &[("path", "/upload/small/"), ("max_body", "1KiB")])
        .route("any", &[("path", "/any/"), ("max_body", "off")])
        .start();
    let send = |target: &str, length: usize| {
        let mut client = sideman.connect();
        client
            .send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        client.response()
    };
    for (target, length, status) in [
        ("/", 2048, 200),
        ("/", 2049, 413),
        ("/upload/", 1 << 20, 200),
        ("/upload/", (1 << 20) + 1, 413),
        ("/upload/small/", 1025, 413),
        ("/any/", 3 << 20, 200),
    ] {
        assert_eq!(send(target, length).status, status, "{target} {length}");
    }
    assert!(send("/upload/", 2 << 20).text().contains("longer than 1 MiB"));
}

#[test]
fn timeouts_are_those_of_the_route() {
    let gone = Gate::new();
    let origin = Origin::script([expect("GET /slow/a "), until_closed(), open(&gone)]);
    let sideman = Settings::before(&origin.url())
        .set("upstream.read_timeout", "1h")
        .route("slow", &[("path", "/slow/"), ("read_timeout", "200ms")])
        .start();
    assert_eq!(sideman.get("/slow/a").status, 504);
    gone.pass();
    let origin = Origin::script([expect("GET /total "), until_closed()]);
    let sideman = Settings::before(&origin.url())
        .set("upstream.read_timeout", "1h")
        .route("total", &[("path", "/total"), ("total_timeout", "200ms")])
        .start();
    assert_eq!(sideman.get("/total").status, 504);
}

/// A route with its own limit leaves the other permits to other requests.
#[test]
fn permits_of_a_route_are_its_own() {
    let held = Gate::new();
    let wait = held.clone();
    let application = App::start(move |request| {
        if request.target() == "/report/" {
            wait.pass();
        }
        App::reply(b"done")
    });
    let sideman = Settings::before(&application.url())
        .set("upstream.max_in_flight", "1")
        .set("upstream.queue", "0")
        .route(
            "reports",
            &[("path", "/report/"), ("upstream", &application.url()), ("max_in_flight", "1")],
        )
        .start();
    let mut slow = sideman.connect();
    slow.send("GET /report/ HTTP/1.1\r\nHost: a\r\n\r\n");
    sideman.until_metric("sideman_requests_in_flight", &[], 1.0);
    assert_eq!(sideman.get("/").text(), "done");
    held.open();
    assert_eq!(slow.response().text(), "done");
}
