//! `allow` and `deny`: who may send a request, whatever the spelling of its path.

use super::spellings;
use crate::support::{App, Settings, Sideman, TempDir};

/// The client is the address in `X-Forwarded-For`.
fn start(settings: impl FnOnce(Settings) -> Settings) -> (App, Sideman) {
    let application = App::saying("application");
    let before = Settings::before(&application.url()).set("server.trusted_proxies", "127.0.0.0/8");
    let sideman = settings(before).start();
    (application, sideman)
}

fn status(sideman: &Sideman, target: &str, client: &str) -> u16 {
    sideman.connect().ask("GET", target, &format!("X-Forwarded-For: {client}\r\n")).status
}

#[test]
fn clients_outside_of_the_allowed_networks_get_403() {
    let directory = TempDir::new();
    directory.write("a.css", "style");
    let (_application, sideman) = start(|settings| {
        settings
            .files("/static/", directory.path())
            .route("all", &[("deny", "203.0.113.0/24")])
            .route("admin", &[("path", "/admin/"), ("allow", "10.0.0.0/8, 2001:db8::/32")])
            .route("open", &[("path", "/admin/public/"), ("allow", "all")])
            .route("old", &[("path", "/old/"), ("redirect", "301 /new/{rest}"), ("deny", "all")])
            .route("styles", &[("path", "/static/"), ("deny", "198.51.100.7")])
    });
    for (target, client, expected) in [
        ("/", "192.0.2.1", 200),
        ("/", "203.0.113.9", 403),
        ("/admin/", "10.1.2.3", 200),
        ("/admin/", "2001:db8::7", 200),
        ("/admin/", "192.0.2.1", 403),
        // The lists of a route replace those of less specific ones.
        ("/admin/public/a", "203.0.113.9", 200),
        ("/old/a", "192.0.2.1", 403),
        ("/static/a.css", "192.0.2.1", 200),
        ("/static/a.css", "198.51.100.7", 403),
        // It takes its own lists alone.
        ("/static/a.css", "203.0.113.9", 200),
    ] {
        assert_eq!(status(&sideman, target, client), expected, "{target} {client}");
    }
    let log = sideman.log_of("/old/a");
    assert_eq!((&log["error"], &log["status"]), (&"access_denied".into(), &403.into()));
    let event = sideman.event("access denied");
    assert!(event.contains("client=203.0.113.9") && event.contains("route=\"all\""), "{event}");
    sideman.until_metric("sideman_errors_total", &[("error", "access_denied")], 4.0);
}

/// Health checks of a load balancer come from anywhere.
#[test]
fn health_checks_are_never_denied() {
    let (_application, sideman) = start(|settings| settings.route("all", &[("deny", "all")]));
    let sideman = sideman.until_ready();
    assert_eq!(sideman.get("/healthz").status, 200);
    assert_eq!(sideman.get("/").status, 403);
}

#[test]
fn no_spelling_of_a_path_gets_past_deny() {
    let (application, sideman) = start(|settings| {
        settings
            .route("admin", &[("path", "/admin/"), ("deny", "all")])
            .route("other", &[("path", "/x/"), ("stream", "none")])
    });
    spellings::check_refused(&sideman, &spellings::BELOW_ADMIN, 403);
    assert_eq!(application.requests(), 0);
    for target in ["/", "/administrator/", "/x/", "/ADMIN/"] {
        assert_eq!(sideman.get(target).text(), "application", "{target}");
    }
    let mut client = sideman.connect();
    client.send("OPTIONS * HTTP/1.1\r\nHost: example.test\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn application_gets_no_path_that_could_be_a_denied_one() {
    spellings::check(&[("deny", "all")], 403);
}

/// Another spelling of the host is the same host.
#[test]
fn no_spelling_of_a_host_gets_past_deny() {
    let (application, sideman) = start(|settings| {
        settings.route("internal", &[("host", "internal.test, [::1]"), ("deny", "all")])
    });
    for host in
        ["internal.test", "INTERNAL.test", "internal.test:8080", "internal.test.", "[0:0::1]:80"]
    {
        let mut client = sideman.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, 403, "{host}");
        client = sideman.connect();
        client.send(format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, 403, "{host}");
    }
    assert_eq!(application.requests(), 0);
    assert_eq!(sideman.get("/").text(), "application");
}
