//! docs/how-to/cdn.md.

use std::fs;

use serde_json::json;

use super::Page;
use crate::support::{App, Settings, Sideman, TempDir};

/// The CDN's networks of the page.
const CDN: &str = "alb,130.176.0.0/17,15.158.0.0/16";

/// An application that shows the received headers.
fn echo() -> App {
    App::start(|request| {
        let fields = request.head.fields.iter();
        let fields: Vec<_> =
            fields.map(|(name, value)| json!([name.to_lowercase(), value])).collect();
        App::reply(json!(fields).to_string().as_bytes())
    })
}

/// Sideman with the variable of the page; this machine is the load balancer.
fn start(application: &App, trusted: &str, home: &TempDir) -> Sideman {
    let path = home.write("trusted_proxies", format!("127.0.0.1,{trusted}\n"));
    let changes = [("/run/sideman/trusted_proxies", path.to_str().unwrap())];
    let settings = Settings::before(&application.url());
    Page::read("cdn.md").variables("TRUSTED_PROXIES_FILE", &changes, settings).start()
}

#[track_caller]
fn arrived(sideman: &Sideman, fields: &str, name: &str) -> Vec<String> {
    let all = sideman.connect().ask("GET", "/", fields).json();
    let named = all.as_array().unwrap().iter().filter(|field| field[0] == name);
    named.map(|field| field[1].as_str().unwrap().to_owned()).collect()
}

/// Each row of the table.
#[test]
fn client_address_needs_trust_in_both_hops() {
    let (page, application, home) = (Page::read("cdn.md"), echo(), TempDir::new());
    page.says(&[CDN]);
    let (_, table) = page.text.split_once("| `X-Forwarded-For` at Sideman |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let code = |cell: &str| cell.split('`').nth(1).unwrap().to_owned();
        let trusted = if cells[2].contains("the CDN") { CDN } else { "alb" };
        let sideman = start(&application, trusted, &home);
        let fields = format!("X-Forwarded-For: {}\r\n", code(cells[1]));
        let client = code(cells[3]);
        assert_eq!(arrived(&sideman, &fields, "x-forwarded-for"), [client.as_str()], "{row}");
        assert_eq!(arrived(&sideman, &fields, "x-real-ip"), [client.as_str()], "{row}");
        assert_eq!(sideman.log_of("/")["client"], client.as_str(), "{row}");
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn network_file_is_read_again_at_a_reload() {
    let (application, home) = (echo(), TempDir::new());
    let sideman = start(&application, "alb", &home);
    let fields = "X-Forwarded-For: 203.0.113.7, 130.176.1.2\r\n";
    assert_eq!(arrived(&sideman, fields, "x-forwarded-for"), ["130.176.1.2"]);
    fs::write(home.join("trusted_proxies"), format!("127.0.0.1,{CDN}\n")).unwrap();
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    assert_eq!(arrived(&sideman, fields, "x-forwarded-for"), ["203.0.113.7"]);
}

#[test]
fn cdn_headers_arrive_with_the_address_of_the_client_alone() {
    let (application, home) = (echo(), TempDir::new());
    let sideman = start(&application, CDN, &home);
    for name in ["CF-Connecting-IP", "True-Client-IP", "CloudFront-Viewer-Address"] {
        Page::read("cdn.md").says(&[&format!("`{name}`")]);
        for (value, expected) in [("203.0.113.7", &["203.0.113.7"][..]), ("192.0.2.9", &[])] {
            let fields =
                format!("{name}: {value}\r\nX-Forwarded-For: 203.0.113.7, 130.176.1.2\r\n");
            assert_eq!(arrived(&sideman, &fields, &name.to_lowercase()), expected, "{name}");
            assert_eq!(arrived(&sideman, &fields, "x-forwarded-for"), ["203.0.113.7"]);
        }
    }
}

/// The load balancer sends http, whatever the client used.
#[test]
fn plain_http_to_the_load_balancer_redirects_for_ever() {
    let application = echo();
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .set("server.redirect_https", "true")
        .start();
    for _ in 0..2 {
        let response = sideman.connect().ask("GET", "/a", "X-Forwarded-Proto: http\r\n");
        assert_eq!(response.status, 301);
        assert_eq!(response.header("location"), Some("https://example.test/a"));
    }
    assert_eq!(arrived(&sideman, "X-Forwarded-Proto: https\r\n", "x-forwarded-proto"), ["https"]);
}

/// The table's first two columns.
#[test]
fn responses_have_the_cache_headers_of_the_page() {
    let (files, uploads) = (TempDir::new(), TempDir::new());
    let private = TempDir::new();
    files.write("base.4c0ff4b9b0a1.css", "a{}");
    files.write("plain.css", "a{}");
    uploads.write("a.png", "png");
    private.write("a.txt", "private");
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Accel-Redirect: /private/a.txt\r\n\r\n".to_vec()
    });
    let sideman = Settings::before(&application.url())
        .files("/static/", files.path())
        .args(&["--media", &format!("/media/={}", uploads.path().display())])
        .args(&["--accel", &format!("/private/={}", private.path().display())])
        .start();
    let page = Page::read("cdn.md");
    let (_, table) = page.text.split_once("| response of Sideman |").unwrap();
    for (target, status, row) in [
        ("/static/base.4c0ff4b9b0a1.css", 200, "a file with a content hash"),
        ("/static/plain.css", 200, "other static files, and uploads"),
        ("/media/a.png", 200, "other static files, and uploads"),
        ("/static/gone.4c0ff4b9b0a1.css", 404, "404 for a name with a hash"),
        ("/static/gone.css", 404, "any other 404 of a file"),
        ("/media/gone.png", 404, "any other 404 of a file"),
        ("/invoice", 200, "sent by X-Accel-Redirect"),
    ] {
        let line = table.lines().find(|line| line.starts_with(&format!("| {row}"))).unwrap();
        let expected = line.split('`').nth(1).unwrap();
        let response = sideman.get(target);
        assert_eq!(response.status, status, "{target}");
        assert_eq!(response.header("cache-control"), Some(expected), "{target}");
        let is_static_file = status == 200 && target.starts_with("/static/");
        if is_static_file {
            assert_eq!(response.header("vary"), Some("accept-encoding"), "{target}");
            assert!(
                response.header("etag").is_some() && response.header("content-length").is_some()
            );
        }
    }
    drop(application);
    let response = sideman.get("/");
    assert_eq!((response.status, response.header("cache-control")), (502, Some("no-store")));
}

#[test]
fn encodings_requested_by_cloudflare_are_served() {
    let (application, files) = (echo(), TempDir::new());
    files.write("base.4c0ff4b9b0a1.css", "a{color:red}");
    files.write("base.4c0ff4b9b0a1.css.br", "br");
    files.write("base.4c0ff4b9b0a1.css.gz", "gz of it");
    let sideman = Settings::before(&application.url()).files("/static/", files.path()).start();
    let mut tags = Vec::new();
    for (accepted, encoding) in [("br, gzip", Some("br")), ("gzip", Some("gzip")), ("", None)] {
        let fields = format!("Accept-Encoding: {accepted}\r\n");
        let response = sideman.connect().ask("GET", "/static/base.4c0ff4b9b0a1.css", &fields);
        assert_eq!(response.header("content-encoding"), encoding, "{accepted}");
        tags.push(response.header("etag").unwrap().to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "{tags:?}");
}

#[test]
fn host_of_the_origin_is_refused_where_hosts_are_set() {
    let application = echo();
    let sideman =
        Settings::before(&application.url()).set("server.allowed_hosts", "www.example.org").start();
    for (host, status) in [("www.example.org", 200), ("origin.eu-central-1.elb.amazonaws.com", 421)]
    {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(sideman.connect().send(head).response().status, status, "{host}");
    }
}

/// Without a load balancer in between.
#[test]
fn idle_timeout_of_the_page_is_above_cloudflares() {
    use sideman::config::{self, Environment, Flags};

    Page::read("cdn.md").says(&["`server.idle_timeout` (75 s) to `16m`", "900 s"]);
    let variables = [("SIDEMAN_UPSTREAM", "http://a:1"), ("SIDEMAN_SERVER__IDLE_TIMEOUT", "16m")];
    let environment: Environment =
        variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let plan = config::load(&Flags::default(), &environment).unwrap().plan;
    assert!(plan.server.idle_timeout.as_secs() > 900);
}
