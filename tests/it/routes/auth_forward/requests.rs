//! The requests that an auth server is asked about, and when.

use super::{super::spellings, AuthServer, echo, guarded, response};
use crate::support::{
    App, Origin, Settings, TempDir, expect, send,
    websocket::{ACCEPT, ASK},
};

#[test]
fn more_specific_routes_choose_their_auth_server_or_none() {
    let directory = TempDir::new();
    directory.write("a.css", "style");
    let (auth, other) = (AuthServer::allowing(), AuthServer::saying("403 Forbidden", "", ""));
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url())
        .files("/static/", directory.path())
        .route("login", &[("path", "/oauth2/"), ("upstream", &auth.app.url()), ("auth", "off")])
        .route("admin", &[("path", "/admin/"), ("auth", &other.url())])
        .route("old", &[("path", "/old"), ("redirect", "301 /new")])
        .route("preflight", &[("path", "/api/"), ("method", "OPTIONS"), ("auth", "off")])
        .start()
        .until_ready();
    let mut client = sideman.connect();
    for (method, target, status, asked, denied) in [
        ("GET", "/", 200, 1, 0),
        ("GET", "/static/a.css", 200, 1, 0),
        ("GET", "/old", 301, 1, 0),
        ("GET", "/admin/", 403, 0, 1),
        ("GET", "/healthz", 200, 0, 0),
        ("GET", "/readyz", 200, 0, 0),
        ("OPTIONS", "/api/", 200, 0, 0),
        ("GET", "/api/", 200, 1, 0),
    ] {
        let before = (auth.asked().len(), other.asked().len());
        assert_eq!(client.ask(method, target, "").status, status, "{method} {target}");
        let now = (auth.asked().len(), other.asked().len());
        assert_eq!(now, (before.0 + asked, before.1 + denied), "{method} {target}");
    }
    // It responds by itself there.
    assert_eq!(client.get("/oauth2/start").status, 200);
    assert_eq!(auth.last().target(), "/oauth2/start");
}

/// A client that sends too many requests is no burden for the auth server.
#[test]
fn auth_server_is_not_asked_about_requests_over_the_rate() {
    let auth = AuthServer::saying("401 Unauthorized", "", "");
    let application = App::saying("application");
    let sideman =
        guarded(&application, &auth.url()).route("all", &[("rate_limit", "2/h burst=1")]).start();
    let statuses = [(); 4].map(|()| sideman.get("/").status);
    assert_eq!(statuses, [401, 401, 429, 429]);
    assert_eq!(auth.asked().len(), 2);
}

#[test]
fn connections_to_the_auth_server_are_reused() {
    let auth = AuthServer::start(|request| match request.head.get("x-original-uri") {
        Some("/denied") => response("401 Unauthorized", "", "no"),
        // As many servers write a body of unknown length.
        Some("/chunked") => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_vec()
        }
        _ => response("200 OK", "", "ok"),
    });
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url())
        .set("server.workers", "1")
        .set("upstream.idle_timeout", "1m")
        .start();
    let mut client = sideman.connect();
    for _ in 0..5 {
        for (target, status) in [("/", 200), ("/denied", 401), ("/chunked", 200)] {
            assert_eq!(client.get(target).status, status, "{target}");
        }
    }
    assert_eq!((auth.asked().len(), auth.app.connections()), (15, 1));
    assert_eq!(application.connections(), 1);
    // They are not counted as requests to the application.
    assert_eq!(application.requests(), 10);
    assert_eq!(sideman.metric("sideman_upstream_connections_opened_total", &[]), 1.0);
    assert_eq!(sideman.metric("sideman_upstream_first_byte_seconds_count", &[]), 10.0);
    assert_eq!(sideman.metric("sideman_forward_auth_duration_seconds_count", &[]), 15.0);
}

/// A client that asks whether it shall send its body learns that after the verdict.
#[test]
fn body_is_not_asked_for_before_the_verdict() {
    let auth = AuthServer::start(|request| match request.head.get("x-original-uri") {
        Some("/denied") => response("401 Unauthorized", "", ""),
        _ => response("200 OK", "", ""),
    });
    let application = echo();
    let sideman = guarded(&application, &auth.url()).start();
    let head = |target: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
    };
    let mut client = sideman.connect();
    client.send(head("/a"));
    client.until("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(auth.asked().len(), 1);
    assert!(client.send("body").response().text().ends_with("body"));
    let mut client = sideman.connect();
    let denied = client.send(head("/denied")).response();
    assert_eq!((denied.status, denied.interim), (401, Vec::new()));
}

#[test]
fn websocket_opens_after_the_verdict() {
    let auth = AuthServer::start(|request| {
        assert!(!request.head.has("upgrade"), "{request:?}");
        match request.head.has("cookie") {
            true => response("200 OK", "Set-Cookie: a=c\r\nRemote-User: ann\r\n", ""),
            false => response("401 Unauthorized", "", ""),
        }
    });
    let origin = Origin::script([expect("GET /ws "), send(ACCEPT)]);
    let sideman = Settings::before(&origin.url())
        .route("all", &[("auth", &auth.url()), ("auth_response_headers", "Remote-User")])
        .start();
    assert_eq!(sideman.connect().send(ASK).response().status, 401);
    let mut client = sideman.connect();
    client.send(ASK.replace("Host:", "Cookie: a=b\r\nRemote-User: evil\r\nHost:"));
    let accepted = client.until("\r\n\r\n");
    assert!(accepted.starts_with("HTTP/1.1 101 ") && accepted.contains("set-cookie: a=c\r\n"));
    let head = origin.request(0).head;
    assert_eq!((head.get("upgrade"), head.get("remote-user")), (Some("websocket"), Some("ann")));
}

#[test]
fn no_spelling_of_a_path_gets_past_the_auth_server() {
    let auth = AuthServer::saying("403 Forbidden", "", "");
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("admin", &[("path", "/admin/"), ("auth", &auth.url())])
        .route("other", &[("path", "/x/"), ("auth", "off")])
        .start();
    let refused = spellings::check_refused(&sideman, &spellings::BELOW_ADMIN, 403);
    assert_eq!(application.requests(), 0);
    assert_eq!(auth.asked().len(), refused);
    assert_eq!(sideman.get("/x/").text(), "application");
}

#[test]
fn application_gets_no_path_that_could_be_a_guarded_one() {
    let auth = AuthServer::saying("403 Forbidden", "", "");
    let denied = spellings::check(&[("auth", &auth.url())], 403);
    assert!(auth.asked().len() >= denied);
}

/// Both forms of a path must pass.
#[test]
fn path_with_two_meanings_is_asked_about_at_both_auth_servers() {
    let (allowing, denying) = (AuthServer::allowing(), AuthServer::saying("403 Forbidden", "", ""));
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("a", &[("path", "/a/"), ("auth", &allowing.url())])
        .route("b", &[("path", "/b/"), ("auth", &denying.url())])
        .start();
    for target in ["/a/../b/x", "/b/../a/x"] {
        assert_eq!(sideman.get(target).status, 403, "{target}");
    }
    assert_eq!(application.requests(), 0);
    assert_eq!(sideman.get("/a//x").text(), "application");
    assert_eq!(allowing.asked().len(), 2);
}

#[test]
fn time_of_the_verdict_is_part_of_the_duration() {
    let time = std::time::Duration::from_millis(50);
    let auth = AuthServer::start(move |_| {
        std::thread::sleep(time);
        response("200 OK", "", "")
    });
    let application = App::saying("application");
    let sideman = guarded(&application, &auth.url()).start();
    assert_eq!(sideman.get("/a").status, 200);
    let log = sideman.log_of("/a");
    assert!(log["duration_ms"].as_f64().is_some_and(|millis| millis >= 50.0), "{log}");
}

#[test]
fn url_of_the_auth_server_changes_with_a_reload() {
    let (first, second) = (AuthServer::allowing(), AuthServer::saying("403 Forbidden", "", ""));
    let application = App::saying("application");
    let directory = TempDir::new();
    let write = |auth: &str| {
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = {:?}\n[route.all]\nauth = {auth:?}\n",
            application.url()
        );
        directory.write("sideman.toml", text);
    };
    write(&first.url());
    let path = directory.join("sideman.toml");
    let settings = Settings::default().args(&["run", "--config", path.to_str().unwrap()]);
    let sideman = settings.start().until_ready();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").status, 200);
    write(&second.url());
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    // Also for requests on connections that are open already.
    assert_eq!(client.get("/").status, 403);
    write(&first.url().replace("/check", "/other"));
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(client.get("/").status, 200);
    assert_eq!((first.last().target(), second.asked().len()), ("/other", 1));
    write("off");
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(first.asked().len(), 2);
}

#[test]
fn check_shows_the_auth_server_and_its_route() {
    let settings = Settings::default()
        .args(&["check", "--request", "GET /a"])
        .set("upstream.url", "http://app:8000")
        .route("all", &[("auth", "http://anubis:8923/check"), ("auth_timeout", "2s")])
        .route("login", &[("path", "/oauth2/"), ("auth", "off")]);
    let shown = settings.run_to_end();
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let line = "auth = http://anubis:8923/check  (route.all.auth, SIDEMAN_ROUTE__ALL__AUTH)";
    assert!(shown.stdout.contains(line), "{}", shown.stdout);
}
