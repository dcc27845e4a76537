//! Requests for hosts that are not allowed.

use crate::support::{App, Settings, Sideman, TempDir};

/// Sideman with a list of hosts in front of an application that shows the received one.
fn start(hosts: &str) -> (App, TempDir, Sideman) {
    let application =
        App::start(|request| App::reply(request.head.all("host").join(" and ").as_bytes()));
    let directory = TempDir::new();
    directory.write("a.txt", "a file");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("server.allowed_hosts", hosts)
        .start();
    (application, directory, sideman)
}

#[test]
fn only_allowed_hosts_reach_the_application() {
    let (application, _directory, sideman) =
        start("example.org, .example.net, 192.0.2.7, [2001:db8::7]");
    let mut client = sideman.connect();
    for (host, is_allowed) in [
        ("example.org", true),
        ("EXAMPLE.Org", true),
        ("example.org.", true),
        ("example.org:8443", true),
        ("example.org.:80", true),
        ("example.org:", true),
        ("www.example.org", false),
        ("example.orgs", false),
        ("badexample.org", false),
        ("example.org.evil.test", false),
        ("example.net", true),
        ("example.net:80", true),
        ("www.example.net", true),
        ("a.b.Example.NET.", true),
        ("badexample.net", false),
        (".example.net", false),
        ("192.0.2.7", true),
        ("192.0.2.7:8000", true),
        ("192.0.2.70", false),
        ("[2001:db8::7]", true),
        ("[2001:DB8:0:0:0:0:0:7]:80", true),
        ("[2001:db8::8]", false),
        ("localhost", false),
    ] {
        let before = application.requests();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let response = client.response();
        let expected = if is_allowed { 200 } else { 421 };
        assert_eq!(response.status, expected, "{host}");
        assert_eq!(application.requests() - before, usize::from(is_allowed), "{host}");
        if is_allowed {
            assert_eq!(response.text(), host, "the host is passed on as it is");
        }
    }
}

#[test]
fn host_of_an_absolute_target_is_checked() {
    let (application, _directory, sideman) = start("example.org");
    for (target, host, status) in [
        ("http://example.org/", "example.org", 200),
        ("http://Example.org:81/", "example.org:81", 200),
        ("http://evil.test/", "evil.test", 421),
        // The Host header must be allowed too.
        ("http://example.org/", "evil.test", 400),
        ("http://evil.test/", "example.org", 400),
    ] {
        let mut client = sideman.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, status, "{target} with {host}");
    }
    assert_eq!(application.requests(), 2);
}

#[test]
fn request_without_a_host_is_refused() {
    let (application, _directory, sideman) = start("example.org");
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 421);
    assert_eq!(application.requests(), 0);

    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\nHost: example.org\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn health_checks_accept_any_host_and_files_do_not() {
    let (_application, _directory, sideman) = start("example.org");
    let sideman = {
        let mut client = sideman.connect();
        for path in ["/healthz", "/readyz"] {
            for host in ["evil.test", "10.0.0.7:8080", "example.org"] {
                client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                let response = client.response();
                assert_ne!(response.status, 421, "{path} for {host}");
                assert_ne!(response.status, 400, "{path} for {host}");
            }
        }
        sideman
    };
    let mut client = sideman.connect();
    client.send("GET /readyz HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200);

    let mut client = sideman.connect();
    for (host, status) in [("evil.test", 421), ("example.org", 200)] {
        client.send(format!("GET /static/a.txt HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, status, "{host}");
    }
}

#[test]
fn refused_host_is_logged_and_counted() {
    let (_application, _directory, sideman) = start("example.org");
    let response = sideman.get("/there");
    assert_eq!(response.status, 421);
    let line = sideman.log_of("/there");
    assert_eq!(line["error"], "host_not_allowed");
    assert_eq!(line["host"], "example.test");
    sideman.until_metric("sideman_errors_total", &[("error", "host_not_allowed")], 1.0);
}
