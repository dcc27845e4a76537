//! docs/how-to/from-varnish.md.

use std::time::Duration;

use sideman::config::{self, Environment, Flags};

use super::{Page, pairs};
use crate::support::{App, Settings, TempDir};

/// The headers that Varnish sends: it has appended the load balancer's address.
const FROM_VARNISH: &str = "X-Forwarded-For: 203.0.113.7, 10.0.1.5\r\nX-Forwarded-Proto: https\r\n\
                            X-Varnish: 5\r\nVia: 1.1 varnish (Varnish/7.1)\r\n";

#[test]
fn settings_behind_varnish_find_the_client_and_the_scheme() {
    let (page, files) = (Page::read("from-varnish.md"), TempDir::new());
    files.write("base.css", "a{}");
    files.write("base.css.br", "br");
    let application = App::start(|request| {
        let get = |name| request.head.get(name).unwrap_or("none").to_owned();
        App::reply(
            format!("{} {} {}", request.method(), get("x-forwarded-for"), get("x-forwarded-proto"))
                .as_bytes(),
        )
    });
    let changes = [
        ("/srv/static", files.path().to_str().unwrap()),
        ("http://127.0.0.1:8000", &application.url()),
    ];
    let sideman = page.variables("SIDEMAN_LISTEN", &changes, Settings::before(&application.url()));
    let sideman = sideman.start().until_ready();
    let mut client = sideman.connect();
    assert_eq!(client.ask("GET", "/", FROM_VARNISH).text(), "GET 203.0.113.7 https");
    // No cache: repeated requests and purges reach the application.
    assert_eq!(client.ask("GET", "/", FROM_VARNISH).text(), "GET 203.0.113.7 https");
    assert_eq!(client.ask("PURGE", "/", FROM_VARNISH).text(), "PURGE 203.0.113.7 https");
    assert_eq!(application.requests(), 3);
    let file = client.ask("GET", "/static/base.css", "Accept-Encoding: gzip, br\r\n");
    assert_eq!(file.header("content-encoding"), Some("br"));
    assert_eq!(sideman.get("/healthz").status, 200);
}

#[test]
fn header_of_the_application_can_be_removed() {
    Page::read("from-varnish.md").says(&["`response_headers = [\"remove Server\"]`"]);
    let application = App::start(|_| {
        b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let sideman = Settings::before(&application.url())
        .route("all", &[("response_headers", "remove Server")])
        .start();
    assert_eq!(sideman.get("/").header("server"), None);
}

#[test]
fn redirect_to_https_is_kept_by_no_cache() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "private")
        .set("server.redirect_https", "true")
        .start();
    let response = sideman.connect().ask("GET", "/", "X-Forwarded-Proto: http\r\n");
    assert_eq!((response.status, response.header("cache-control")), (301, Some("no-store")));
}

#[test]
fn varnish_waits_longer_than_sideman() {
    let page = Page::read("from-varnish.md");
    let seconds = page.block("vcl", "first_byte_timeout");
    let seconds = seconds.split("first_byte_timeout = ").nth(1).unwrap().split('s').next().unwrap();
    let own = page.block("ini", "SIDEMAN_LISTEN");
    let environment: Environment =
        pairs(&own).map(|(name, value)| (name.into(), value.into())).collect();
    let plan = config::load(&Flags::default(), &environment).unwrap().plan;
    let longest = plan.upstream.admission.queue_timeout + plan.upstream.read_timeout;
    assert!(Duration::from_secs(seconds.parse().unwrap()) > longest, "{longest:?}");
}
