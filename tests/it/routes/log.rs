//! Which requests of a route have a line in the access log.

use serde_json::Value;

use crate::support::{App, Settings, TempDir};

#[test]
fn requests_of_a_route_are_left_out_of_the_access_log() {
    let (application, directory) = (App::saying("hello"), TempDir::new());
    directory.write("a.txt", "a file");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .route("off", &[("path", "/off/,*.ico"), ("log", "off")])
        .route("but", &[("path", "/off/but/"), ("log", "all")])
        .route("files", &[("path", "/static/"), ("log", "failing")])
        .route("gone", &[("path", "/gone/"), ("respond", "410"), ("log", "failing")])
        .start();
    let mut client = sideman.connect();
    for path in ["/off/a", "/favicon.ico", "/off/but/a", "/static/a.txt", "/static/none", "/gone/"]
    {
        client.get(path);
    }
    // The spelling of a path does not matter.
    client.get("/x/../%6fff/a");
    client.get("/last");
    let counted = [("route", "proxy"), ("method", "GET"), ("status", "2xx")];
    sideman.until_metric("sideman_requests_total", &counted, 5.0);
    let (_, lines) = sideman.shut_down();
    let path = |line: &String| {
        serde_json::from_str::<Value>(line).unwrap()["path"].as_str().unwrap().to_owned()
    };
    let logged: Vec<String> = lines.iter().map(path).collect();
    assert_eq!(logged, ["/off/but/a", "/static/none", "/gone/", "/last"]);
}

#[test]
fn failing_and_slow_requests_are_logged() {
    let application = App::start(|request| match request.target() {
        "/fails" => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => App::reply(b"hello"),
    });
    let settings = Settings::before(&application.url()).route("all", &[("log", "failing")]);
    // A health check before the application is known to accept connections would be 503, and logged.
    let sideman = settings.start();
    // One connection has one worker, whose lines are in order.
    let mut client = sideman.connect();
    for path in ["/works", "/fails"] {
        client.get(path);
    }
    client.ask("POST", "/healthz", "Content-Length: 0\r\n");
    let (_, lines) = sideman.shut_down();
    let status = |line: &String| serde_json::from_str::<Value>(line).unwrap()["status"].clone();
    assert_eq!(lines.iter().map(status).collect::<Vec<_>>(), [500, 405]);

    let sideman = settings.set("log.slow", "0s").start();
    sideman.get("/works");
    assert_eq!(sideman.log_of("/works")["status"], 200);

    // Health checks have no route.
    let sideman = Settings::before(&application.url()).route("all", &[("log", "off")]).start();
    sideman.connect().ask("POST", "/healthz", "Content-Length: 0\r\n");
    assert_eq!(sideman.log_of("/healthz")["status"], 405);
}
