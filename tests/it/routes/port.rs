//! The port in the match of a route.

use crate::support::{App, Client, Settings, Sideman};

/// The response to a request of a client that connected to this port of a load balancer.
#[track_caller]
fn ask(sideman: &Sideman, port: u16, target: &str) -> String {
    let mut client = Client::connect(sideman.address());
    client.send(format!(
        "PROXY TCP4 192.0.2.7 198.51.100.1 50000 {port}\r\nGET {target} HTTP/1.1\r\nHost: a.test\r\n\r\n"
    ));
    client.response().text()
}

#[test]
fn sites_differ_by_port() {
    let application = App::start(|_| App::reply(b"application"));
    let sideman = Settings::before(&application.url())
        .set("server.proxy_protocol", "127.0.0.1:0")
        .set("server.proxy_protocol_from", "127.0.0.0/8")
        .route("page", &[("port", "80, 81"), ("respond", "200 page")])
        .route("up", &[("port", "80"), ("path", "/up"), ("respond", "200 up")])
        .route("get", &[("method", "GET"), ("path", "/get/"), ("respond", "200 get")])
        .route("get_81", &[("port", "81"), ("path", "/get/"), ("respond", "200 get 81")])
        .start();
    for (port, target, expected) in [
        (80, "/", "page"),
        (81, "/x", "page"),
        (82, "/", "application"),
        (80, "/up", "up"),
        (81, "/up", "page"),
        // Neither the Host nor the target decides.
        (82, "http://a.test:80/up", "application"),
        // A path is more specific than a port, and a port than a method.
        (80, "/get/", "get"),
        (81, "/get/", "get 81"),
        (82, "/get/", "get"),
    ] {
        assert_eq!(ask(&sideman, port, target), expected, "{port} {target}");
    }
}

#[test]
fn port_of_the_listener_counts() {
    let application = App::start(|_| App::reply(b"application"));
    let sideman = Settings::before(&application.url())
        .route("other", &[("port", "1"), ("respond", "200 other")])
        .start();
    assert_eq!(sideman.get("/").text(), "application");
}
