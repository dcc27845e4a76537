//! Each kind of setting, changed while a client stays connected.

use super::{File, hang_up, reload};
use crate::support::{App, Gate, ReservedPort, TempDir, eventually_is};

#[test]
fn reload_changes_the_upstream_and_its_routes() {
    let (old, new) = (App::saying("old"), App::saying("new"));
    let file = File::before(&old.url());
    let sideman = file.start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "old");

    file.set("upstream.url", &format!("{:?}", new.url()));
    assert_eq!(reload(&sideman), "reloaded; changed: upstream.url\n");
    assert_eq!(client.get("/").text(), "new");
    // The metrics have the servers in use, and no others.
    assert_eq!(sideman.metric("sideman_upstream_servers", &[]), 1.0);

    file.set("route.old.path", "\"/old/\"");
    file.set("route.old.upstream", &format!("{:?}", old.url()));
    assert_eq!(reload(&sideman), "reloaded; changed: route.old.path, route.old.upstream\n");
    assert_eq!(client.get("/old/a").text(), "old");
    assert_eq!(client.get("/").text(), "new");
    file.remove("route.old.path");
    file.remove("route.old.upstream");
    assert_eq!(reload(&sideman), "reloaded; changed: route.old.path, route.old.upstream\n");
    assert_eq!(client.get("/old/a").text(), "new");
    assert_eq!(
        reload(&sideman),
        "reloaded; changed: no setting; the files that settings name were read again\n"
    );
    assert!(
        sideman.event("reloaded changed=\"route.old.path, route.old.upstream\"").contains("after=")
    );
    sideman.until_metric("sideman_reloads_total", &[("result", "ok")], 4.0);
}

/// The detected wrong protocol is forgotten: the server is used at once.
#[test]
fn reload_changes_the_upstream_protocol() {
    let app = App::saying("well");
    let file = File::before(&app.url().replace("http", "uwsgi"));
    let sideman = file.start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/wrong").status, 502);
    assert_eq!(sideman.log_of("/wrong")["error"], "upstream_protocol");
    file.set("upstream.url", &format!("{:?}", app.url()));
    assert_eq!(reload(&sideman), "reloaded; changed: upstream.url\n");
    assert_eq!(client.get("/").text(), "well");
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]), 0.0);
}

#[test]
fn reload_changes_directories_and_file_headers() {
    let application = App::saying("hello");
    let (first, second) = (TempDir::new(), TempDir::new());
    first.write("a.txt", "first");
    second.write("a.txt", "second");
    let roots = |directory: &TempDir| format!("[\"/static/={}\"]", directory.path().display());
    let file = File::before(&application.url());
    file.set("static.roots", &roots(&first));
    let sideman = file.start();
    let mut client = sideman.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/static/a.txt").text(), "first");
    }
    sideman.until_metric("sideman_file_store_entries", &[("store", "static")], 1.0);
    file.set("static.roots", &roots(&second));
    reload(&sideman);
    // The memory of the old settings is released at once.
    assert_eq!(sideman.metric("sideman_file_store_entries", &[("store", "static")]), 0.0);
    assert_eq!(client.get("/static/a.txt").text(), "second");
    file.set("static.max_age", "\"5m\"");
    reload(&sideman);
    let answer = client.get("/static/a.txt");
    assert!(answer.header("cache-control").unwrap().contains("max-age=300"), "{answer:?}");
    file.remove("static.roots");
    reload(&sideman);
    assert_eq!(client.get("/static/a.txt").text(), "hello");
}

#[test]
fn reload_changes_limits_and_pages() {
    let away = ReservedPort::new();
    let file = File::before(&away.url());
    file.set("health.wait_for_application", "false").set("server.max_body", "\"1KiB\"");
    let sideman = file.start();
    let mut client = sideman.connect();
    assert_eq!(client.post("/", "", &[b'x'; 1000]).status, 502);
    file.set("server.max_body", "\"10B\"");
    hang_up(&sideman, 1.0);
    assert_eq!(client.post("/", "", &[b'x'; 11]).status, 413);

    let page = file.directory.write("502.html", "<h1>soon</h1>");
    let mut client = sideman.connect();
    assert!(!client.get("/").text().contains("soon"));
    file.set("errors.502", &format!("{page:?}"));
    reload(&sideman);
    assert_eq!(client.get("/").text(), "<h1>soon</h1>");
    file.set("server.allowed_hosts", r#"["elsewhere.test"]"#).set("health.path", "\"/up\"");
    assert!(reload(&sideman).contains("server.allowed_hosts, health.path"));
    assert_eq!(client.get("/").status, 421);
    assert_eq!(client.get("/up").status, 200);
}

#[test]
fn reload_changes_the_in_flight_limit() {
    let (first, others) = (Gate::new(), Gate::new());
    let (first_shut, others_shut) = (first.clone(), others.clone());
    let application = App::start(move |request| {
        match request.head.start.contains("/first") {
            true => first_shut.pass(),
            false => others_shut.pass(),
        }
        App::reply(b"done")
    });
    let file = File::before(&application.url());
    file.set("upstream.max_in_flight", "1");
    let sideman = file.start();
    let send = |target: &str| {
        let mut client = sideman.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
        client
    };
    let mut running = vec![send("/first")];
    eventually_is("requests", &1, || application.requests());
    running.push(send("/second"));
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    // A queued request uses the new limit, and a running one keeps the old permit.
    file.set("upstream.max_in_flight", "2");
    reload(&sideman);
    eventually_is("requests", &2, || application.requests());
    sideman.until_metric("sideman_queue_length", &[], 0.0);
    // A lower limit applies to both together: with one running request there is no permit for another.
    file.set("upstream.max_in_flight", "1");
    reload(&sideman);
    first.open();
    assert_eq!(running[0].response().text(), "done");
    running.push(send("/third"));
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    assert_eq!(application.requests(), 2);
    others.open();
    for client in &mut running[1..] {
        assert_eq!(client.response().text(), "done");
    }
}

#[test]
fn settings_that_need_a_restart_are_kept() {
    let application = App::saying("hello");
    let file = File::before(&application.url());
    file.set("server.workers", "1");
    let sideman = file.start();
    file.set("server.workers", "3").set("log.access", "\"off\"").set("server.max_body", "\"5B\"");
    for _ in 0..2 {
        let told = reload(&sideman);
        assert!(told.ends_with("needs a restart: server.workers, log.access\n"), "{told}");
    }
    let event = sideman.event("needs a restart");
    assert!(event.contains("server.workers"), "{event}");
    let mut client = sideman.connect();
    assert_eq!(client.post("/", "", b"123456").status, 413);
    assert_eq!(sideman.log_of("/")["status"], 413);
}

/// Only another limit begins anew.
#[test]
fn rate_limits_keep_their_state() {
    let app = App::saying("well");
    let file = File::before(&app.url());
    file.set("route.all.rate_limit", "\"1/h burst=1\"");
    let sideman = file.start();
    let mut client = sideman.connect();
    let mut statuses = || [0; 2].map(|_| client.get("/").status);
    assert_eq!(statuses(), [200, 200]);
    file.set("route.all.rate_limit_exempt", "[\"10.0.0.0/8\"]");
    file.set("route.other.path", "\"/other\"").set("route.other.respond", "\"404\"");
    assert!(reload(&sideman).starts_with("reloaded; changed: "));
    assert_eq!(statuses(), [429, 429]);
    file.set("route.all.rate_limit", "\"1/h burst=0\"");
    assert_eq!(reload(&sideman), "reloaded; changed: route.all.rate_limit\n");
    assert_eq!(statuses(), [200, 429]);
}
