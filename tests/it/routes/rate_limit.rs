//! `rate_limit` of a route. The periods are so long that no test waits for one.

use std::net::Ipv4Addr;

use crate::support::{App, Client, Http2, Response, Settings, Sideman, TempDir};

const TOO_MANY: u16 = 429;

/// The statuses of requests for these paths, each over a new connection, so that all workers get some.
fn statuses(sideman: &Sideman, targets: &[&str]) -> Vec<u16> {
    targets.iter().map(|target| sideman.get(target).status).collect()
}

fn retry_after(response: &Response) -> u32 {
    response.header("retry-after").unwrap().parse().unwrap()
}

/// The client of a proxy that names it.
fn forwarded(sideman: &Sideman, client: &str) -> u16 {
    sideman.connect().ask("GET", "/", &format!("X-Forwarded-For: {client}\r\n")).status
}

#[test]
fn burst_passes_and_the_rest_gets_429_over_all_workers() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .set("server.workers", "4")
        .route("login", &[("path", "/login/"), ("rate_limit", "2/h burst=5")])
        .start()
        .until_ready();
    let found = statuses(&sideman, &["/login/"; 10]);
    assert_eq!(found, [&[200; 6][..], &[TOO_MANY; 4][..]].concat());
    // Half an hour for each, less the time that the test takes.
    let response = sideman.get("/login/a");
    assert!((1600..=1800).contains(&retry_after(&response)), "{response:?}");
    assert!(response.text().contains("<h1>429 Too Many Requests</h1>"), "{}", response.text());
    let response = sideman.connect().ask("GET", "/login/", "Accept: application/json\r\n");
    assert_eq!((response.status, &response.json()["error"]), (TOO_MANY, &"rate_limited".into()));
    // The connection stays open, and other paths, other clients and health checks are free.
    let mut client = sideman.connect();
    assert_eq!(client.get("/login/").status, TOO_MANY);
    assert_eq!(client.post("/login/", "", b"abc").status, TOO_MANY);
    assert_eq!(client.get("/").text(), "application");
    assert_eq!(statuses(&sideman, &["/healthz", "/readyz"]), [200, 200]);
    let mut other = Client::connect_from(Ipv4Addr::new(127, 0, 0, 2).into(), sideman.address());
    assert_eq!(other.get("/login/").status, 200);
    assert_eq!(application.requests(), 8);
    let log = sideman.log_of("/login/a");
    assert_eq!((&log["status"], &log["error"]), (&TOO_MANY.into(), &"rate_limited".into()));
    let event = sideman.event("request exceeded a limit error=rate_limited");
    assert!(event.contains("raise rate_limit of the route"), "{event}");
    sideman.until_metric("sideman_errors_total", &[("error", "rate_limited")], 8.0);
}

#[test]
fn a_rate_without_a_burst_is_a_burst_of_itself() {
    let application = App::saying("application");
    let sideman =
        Settings::before(&application.url()).route("all", &[("rate_limit", "3/h")]).start();
    assert_eq!(statuses(&sideman, &["/", "/a", "/b", "/c"]), [200, 200, 200, TOO_MANY]);
    assert!((1000..=1200).contains(&retry_after(&sideman.get("/"))));
}

#[test]
fn routes_inherit_a_limit_and_share_it() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("all", &[("rate_limit", "1/h burst=2")])
        .route("api", &[("path", "/api/"), ("upstream", &application.url())])
        .route("own", &[("path", "/own/"), ("rate_limit", "1/h burst=0")])
        .route("free", &[("path", "/free/"), ("rate_limit", "off")])
        .route("text", &[("path", "/text"), ("respond", "200 text")])
        .start();
    assert_eq!(statuses(&sideman, &["/own/", "/own/"]), [200, TOO_MANY]);
    assert_eq!(
        statuses(&sideman, &["/", "/api/", "/text", "/text", "/api/", "/"]),
        [200, 200, 200, TOO_MANY, TOO_MANY, TOO_MANY]
    );
    assert_eq!(statuses(&sideman, &["/free/"; 4]), [200; 4]);
}

#[test]
fn files_are_limited_only_by_a_route_that_names_them() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    directory.write("a.css", "css");
    let place = directory.path().to_str().unwrap();
    let once = ("rate_limit", "1/h burst=0");
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .route("all", &[once])
        .route("host", &[("host", "127.0.0.1"), once])
        .route("site", &[("path", "/site/"), ("files", place), ("fallthrough", "true")])
        .route("own", &[("path", "/own/"), ("files", place), once])
        .route("named", &[("path", "/static/named/"), once])
        .route("glob", &[("path", "*.css"), once])
        .start();
    assert_eq!(statuses(&sideman, &["/static/a.css"; 3]), [200; 3]);
    assert_eq!(statuses(&sideman, &["/site/a.css"; 3]), [200; 3]);
    assert_eq!(statuses(&sideman, &["/own/a.css", "/own/a.css"]), [200, TOO_MANY]);
    assert_eq!(statuses(&sideman, &["/static/named/a", "/static/named/a"]), [404, TOO_MANY]);
    // A file that does not exist is the application's request.
    assert_eq!(statuses(&sideman, &["/site/none", "/site/none"]), [200, TOO_MANY]);
    assert_eq!(statuses(&sideman, &["/site/a.css", "/static/a.css", "/"]), [200, 200, TOO_MANY]);
}

#[test]
fn clients_of_a_trusted_proxy_are_told_apart() {
    let application = App::saying("application");
    let once = ("rate_limit", "1/h burst=0");
    let settings = Settings::before(&application.url()).route("all", &[once]);
    let sideman = settings.clone().set("server.trusted_proxies", "127.0.0.1, 10.0.0.0/8").start();
    for (client, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", TOO_MANY),
        ("192.0.2.2", 200),
        ("198.51.100.9, 192.0.2.1", TOO_MANY),
        ("2001:db8:0:1::1", 200),
        // One customer has a whole /64.
        ("2001:db8:0:1:ffff::2", TOO_MANY),
        ("2001:db8:0:2::1", 200),
        ("::ffff:192.0.2.2", TOO_MANY),
    ] {
        assert_eq!(forwarded(&sideman, client), status, "{client}");
    }
    // A proxy that does not name its clients is not one client.
    assert_eq!(statuses(&sideman, &["/"; 3]), [200; 3]);
    assert_eq!([forwarded(&sideman, "10.0.0.1"), forwarded(&sideman, "10.0.0.1")], [200; 2]);
    // Nobody believes a stranger.
    let sideman = settings.start();
    assert_eq!(
        [forwarded(&sideman, "192.0.2.1"), forwarded(&sideman, "192.0.2.2")],
        [200, TOO_MANY]
    );
}

#[test]
fn keys_may_be_hosts_and_headers() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("host", &[("path", "/host"), ("rate_limit", "1/h burst=0 key=host")])
        .route("token", &[("path", "/token"), ("rate_limit", "1/h burst=0 key=header:X-Api-Key")])
        .route("agent", &[("path", "/agent"), ("rate_limit", "1/h burst=0 key=header:User-Agent")])
        .start();
    let ask = |target: &str, host: &str, fields: &str| {
        let mut client = sideman.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        client.response().status
    };
    for (target, host, fields, status) in [
        ("/host", "a.org", "", 200),
        ("/host", "A.org:81", "", TOO_MANY),
        ("/host", "b.org", "", 200),
        ("/token", "a", "X-Api-Key: 1\r\n", 200),
        ("/token", "a", "x-api-key: 1\r\n", TOO_MANY),
        ("/token", "a", "x-api-key: 2\r\n", 200),
        ("/agent", "a", "User-Agent: 1\r\n", 200),
        ("/agent", "a", "User-Agent: 1\r\n", TOO_MANY),
        // As in nginx, a request without the key is not counted.
        ("/token", "a", "", 200),
        ("/token", "a", "", 200),
    ] {
        assert_eq!(ask(target, host, fields), status, "{target} {host} {fields}");
    }
}

#[test]
fn dry_run_only_counts_and_logs() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .route("all", &[("rate_limit", "1/h burst=0"), ("rate_limit_dry_run", "true")])
        .route("api", &[("path", "/api/"), ("rate_limit_dry_run", "false")])
        .start();
    assert_eq!(statuses(&sideman, &["/", "/a", "/b"]), [200; 3]);
    sideman.until_metric("sideman_rate_limit_dry_runs_total", &[], 2.0);
    assert_eq!(sideman.metric("sideman_errors_total", &[("error", "rate_limited")]), 0.0);
    let event = sideman.event("request over the rate limit allowed, dry run");
    assert!(event.contains("route=\"all\"") && event.contains("client=127.0.0.1"), "{event}");
    assert_eq!(statuses(&sideman, &["/api/"]), [TOO_MANY]);
}

#[test]
fn exempt_networks_are_not_limited() {
    let application = App::saying("application");
    let sideman = Settings::before(&application.url())
        .set("server.trusted_proxies", "127.0.0.1")
        .route("all", &[("rate_limit", "1/h burst=0"), ("rate_limit_exempt", "192.0.2.0/24, ::1")])
        .start();
    let found = ["192.0.2.1", "192.0.2.1", "::1", "::1", "192.0.3.1", "192.0.3.1"]
        .map(|client| forwarded(&sideman, client));
    assert_eq!(found, [200, 200, 200, 200, 200, TOO_MANY]);
}

#[test]
fn streams_of_one_http2_connection_share_a_limit() {
    let application = App::saying("application");
    let sideman =
        Settings::before(&application.url()).route("all", &[("rate_limit", "1/h burst=2")]).start();
    let mut client = Http2::connect(sideman.address());
    let found: Vec<u16> = (0..5).map(|_| client.get("/").status).collect();
    assert_eq!(found, [200, 200, 200, TOO_MANY, TOO_MANY]);
    let response = client.get("/");
    assert!(response.header("retry-after").is_some(), "{response:?}");
}

#[test]
fn page_of_429_may_be_a_file() {
    let (application, directory) = (App::saying("application"), TempDir::new());
    let page = directory.write("429.html", "Slow down.");
    let sideman = Settings::before(&application.url())
        .set("errors.429", page.to_str().unwrap())
        .route("all", &[("rate_limit", "1/h burst=0")])
        .start();
    assert_eq!(sideman.get("/").status, 200);
    let response = sideman.get("/");
    assert_eq!((response.status, response.text().as_str()), (TOO_MANY, "Slow down."));
    assert!(response.header("retry-after").is_some());
}
