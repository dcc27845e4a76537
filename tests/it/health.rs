//! Health checks for load balancers.

use crate::support::{
    App, Client, ReservedPort, Settings, Sideman, TempDir, eventually, eventually_is,
};

fn status(sideman: &Sideman, path: &str) -> u16 {
    sideman.get(path).status
}

#[test]
fn health_checks_accept_any_host() {
    let application = App::saying("not for the application");
    let sideman = Settings::before(&application.url()).start().until_ready();
    for request in [
        "GET /healthz HTTP/1.1\r\nHost: example.test\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a b@c/d\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: \u{e9}\u{fc}\r\n\r\n",
        "GET /healthz?full=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://anything.test/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /readyz HTTP/1.1\r\nHost: !!\r\n\r\n",
        "GET /readyz HTTP/1.1\r\n\r\n",
    ] {
        let mut client = Client::connect(sideman.address());
        let response = client.send(request).response();
        assert_eq!(response.status, 200, "{request:?}");
        assert!(!response.body.is_empty(), "{request:?}");
    }
    let mut client = sideman.connect();
    for path in ["/healthz", "/readyz"] {
        let head = client.ask("HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    assert_eq!(application.requests(), 0);
}

#[test]
fn readiness_fails_until_the_application_accepts() {
    let port = ReservedPort::new();
    let sideman = Settings::before(&port.url()).start();
    for path in ["/healthz", "/readyz"] {
        let response = sideman.get(path);
        assert_eq!(response.status, 503, "{path}");
        assert!(!response.text().trim().is_empty(), "{path} without a reason");
        let head = sideman.connect().ask("HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (503, 0), "{path}");
    }
    assert_eq!(sideman.metric("sideman_phase", &[("phase", "starting")]), 1.0);
    // The check fails, so it is logged.
    let line = sideman.log_of("/healthz");
    assert_eq!((&line["status"], &line["route"]), (&503.into(), &"health".into()));

    let application = App::on(port.listen(), |_| App::reply(b"hello"));
    eventually_is("/healthz", &200, || status(&sideman, "/healthz"));
    eventually_is("/readyz", &200, || status(&sideman, "/readyz"));
    assert_eq!(sideman.get("/").text(), "hello");
    drop(application);
}

#[test]
fn readiness_waits_for_an_application_on_a_unix_socket() {
    let directory = TempDir::new();
    let socket = directory.join("app.sock");
    let sideman = Settings::before(&format!("http+unix:{}", socket.display())).start();
    assert_eq!(status(&sideman, "/healthz"), 503);
    let _application = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    eventually_is("/healthz", &200, || status(&sideman, "/healthz"));
}

#[test]
fn request_in_the_starting_phase_is_forwarded() {
    let port = ReservedPort::new();
    let sideman = Settings::before(&port.url()).start();
    assert_eq!(status(&sideman, "/"), 502);
    let _application = App::on(port.listen(), |_| App::reply(b"hello"));
    eventually_is("a page", &200, || status(&sideman, "/"));
    eventually_is("/healthz", &200, || status(&sideman, "/healthz"));
}

#[test]
fn readiness_without_the_application_is_a_setting() {
    let port = ReservedPort::new();
    let sideman = Settings::before(&port.url()).set("health.wait_for_application", "false").start();
    assert_eq!(status(&sideman, "/healthz"), 200);
    assert_eq!(status(&sideman, "/readyz"), 503);
}

#[test]
fn unavailable_application_fails_readiness_only() {
    // Removing every task from the load balancer at once would not help.
    let port = ReservedPort::new();
    let url = port.url();
    let application = App::on(port.listen(), |_| App::reply(b"hello"));
    let sideman = Settings::before(&url).start().until_ready();
    eventually_is("/readyz", &200, || status(&sideman, "/readyz"));
    drop(application);
    eventually_is("/readyz", &503, || status(&sideman, "/readyz"));
    assert_eq!(status(&sideman, "/healthz"), 200);
}

#[test]
fn health_check_paths_are_settings() {
    let application = App::saying("from the application");
    let sideman = Settings::before(&application.url())
        .set("health.path", "/alive")
        .set("health.ready_path", "/-/ready")
        .start();
    eventually("/alive", || (status(&sideman, "/alive") == 200).then_some(()));
    assert_eq!(status(&sideman, "/-/ready"), 200);
    assert_eq!(sideman.get("/healthz").text(), "from the application");
    assert_eq!(sideman.get("/readyz").text(), "from the application");
    // The path is exact, not a prefix.
    assert_eq!(sideman.get("/alive/").text(), "from the application");
    assert_eq!(sideman.get("/alivex").text(), "from the application");
}

#[test]
fn successful_health_checks_are_not_logged() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start().until_ready();
    for _ in 0..5 {
        assert_eq!(status(&sideman, "/healthz"), 200);
        assert_eq!(status(&sideman, "/readyz"), 200);
    }
    assert_eq!(status(&sideman, "/page"), 200);
    sideman.log_of("/page");
    let (code, lines) = sideman.shut_down();
    assert_eq!(code, Some(0));
    // The failing checks before readiness may be logged.
    let good = |line: &&String| line.contains("\"status\":200");
    assert_eq!(lines.iter().filter(good).count(), 1, "{lines:?}");
}

#[test]
fn health_checks_allow_only_get_and_head() {
    let application = App::saying("from the application");
    let sideman = Settings::before(&application.url()).start().until_ready();
    for path in ["/healthz", "/readyz"] {
        // A successful response to CONNECT would turn the connection into a tunnel.
        for method in ["CONNECT", "POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let mut client = sideman.connect();
            let response = client.ask(method, path, "");
            assert_eq!(response.status, 405, "{method} {path}");
            assert_eq!(response.header("allow"), Some("GET, HEAD"), "{method} {path}");
            let line =
                sideman.log_line(method, |line| line["path"] == path && line["method"] == method);
            assert_eq!((&line["status"], &line["route"]), (&405.into(), &"health".into()));
        }
        let response = sideman.connect().post(path, "", b"body");
        assert_eq!(response.status, 405, "{path}");
    }
    assert_eq!(application.requests(), 0);
}
