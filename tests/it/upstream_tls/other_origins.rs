//! `https://` in routes, `static.fallback` and `auth`.

use super::{authority::Authority, before, peer::TlsPeer};
use crate::support::{App, Settings, TempDir, eventually_is};

/// A server that responds with this text.
fn saying(authority: &Authority, text: &'static str) -> TlsPeer {
    TlsPeer::start(authority.issue(&["localhost"]).server_config(None), move |served| {
        loop {
            served.head()?;
            served.respond(text.as_bytes())?;
        }
    })
}

#[test]
fn route_has_its_own_authority() {
    let (one, other, directory) =
        (Authority::new("One"), Authority::new("Another"), TempDir::new());
    let (main, routed) = (saying(&one, "main"), saying(&other, "routed"));
    let settings =
        before(&main.url("localhost")).set("upstream.tls_ca", &one.write(&directory, "one"));
    let url = routed.url("localhost");
    let ca = other.write(&directory, "other");
    let sideman = settings
        .clone()
        .route("api", &[("path", "/api/"), ("upstream", &url), ("tls_ca", &ca)])
        .start();
    assert_eq!(sideman.get("/").text(), "main");
    assert_eq!(sideman.get("/api/").text(), "routed");
    let sideman = settings.route("api", &[("path", "/api/"), ("upstream", &url)]).start();
    assert_eq!(sideman.get("/").text(), "main");
    assert_eq!(sideman.get("/api/").status, 502);
    sideman.event("unknown authority (Another)");
}

#[test]
fn fallback_has_files_over_tls() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let application = App::saying("page");
    let previous =
        TlsPeer::start(authority.issue(&["localhost"]).server_config(None), move |served| {
            loop {
                let head = served.head()?;
                let host = head.lines().find_map(|line| line.strip_prefix("host: "));
                let is_right = host.is_some_and(|host| host.starts_with("localhost:"));
                served.respond(if is_right { b"old" } else { b"bad" })?;
            }
        });
    let static_files = TempDir::new();
    let sideman = Settings::before(&application.url())
        .files("/static/", static_files.path())
        .set("static.fallback", &previous.url("localhost"))
        .set("upstream.tls_ca", &authority.write(&directory, "ca"))
        .start();
    // Its name is looked up after the start.
    eventually_is("the file", &"old".to_owned(), || {
        sideman.get("/static/a.0123456789ab.css").text()
    });
}

#[test]
fn auth_server_is_asked_over_tls() {
    let (authority, directory) = (Authority::new("Our authority"), TempDir::new());
    let application = App::saying("secret");
    let auth = TlsPeer::start(authority.issue(&["localhost"]).server_config(None), |served| {
        loop {
            let head = served.head()?;
            let status = if head.contains("good") { "204 No Content" } else { "403 Forbidden" };
            served.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))?;
        }
    });
    let sideman = Settings::before(&application.url())
        .route("all", &[("path", "/"), ("auth", &format!("{}/check", auth.url("localhost")))])
        .set("upstream.tls_ca", &authority.write(&directory, "ca"))
        .start();
    assert_eq!(sideman.connect().ask("GET", "/", "Cookie: good\r\n").text(), "secret");
    assert_eq!(sideman.connect().ask("GET", "/", "Cookie: other\r\n").status, 403);
}
