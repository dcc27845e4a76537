//! An upstream address that leads back to Sideman itself.

use std::{os::unix::fs::symlink, path::Path};

use crate::support::{
    After, App, Client, Http2, ReservedPort, Settings, Sideman, TempDir, UwsgiApp,
};

#[test]
fn own_address_as_upstream_is_refused_at_the_start() {
    let port = ReservedPort::new().url().rsplit(':').next().unwrap().to_owned();
    for (listen, upstream) in [
        (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}")),
        (format!("0.0.0.0:{port}"), format!("http://127.0.0.1:{port}")),
        (format!("0.0.0.0:{port}"), format!("http://localhost:{port}")),
        (format!("127.0.0.1:{port}"), format!("uwsgi://localhost:{port}")),
        (format!("[::]:{port}"), format!("http://[::1]:{port}")),
        ("unix:/tmp/none.test.sock".to_owned(), "http+unix:/tmp/none.test.sock".to_owned()),
    ] {
        let here = Settings::default().args(&["run", "--listen", &listen]);
        let ended = here.args(&["--upstream", &upstream]).run_to_end();
        assert_ne!(ended.code, Some(0), "{listen} {upstream}");
        let told = &ended.stderr;
        assert!(
            told.contains("where Sideman itself listens") && told.contains("upstream"),
            "{told}"
        );
    }
    let listen = format!("127.0.0.1:{port}");
    let own = format!("http://localhost:{port}");
    let settings = Settings::default().args(&["run", "--listen", &listen]);
    let settings = settings.args(&["--upstream", "http://127.0.0.1:1"]);
    let ended = settings.set("route.api.upstream", &own).run_to_end();
    assert!(ended.stderr.contains("route.api.upstream"), "{}", ended.stderr);
    assert!(ended.stderr.contains("where Sideman itself listens"), "{}", ended.stderr);
    let settings = Settings::default().args(&["run", "--listen", &listen]);
    let settings = settings.args(&["--upstream", "http://127.0.0.1:1"]);
    let ended = settings.args(&["--accel", &format!("/far/={own}/base")]).run_to_end();
    assert!(ended.stderr.contains("where Sideman itself listens"), "{}", ended.stderr);
}

#[test]
fn cdn_loop_of_the_process_is_added_to_others() {
    let application =
        App::start(|request| App::reply(request.head.all("cdn-loop").join(" | ").as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    let named = sideman.get("/").text();
    let digits = named.strip_prefix("sideman-").unwrap_or_else(|| panic!("{named}"));
    assert!(digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{named}");
    let others = sideman.connect().ask("GET", "/", "CDN-Loop: cloudflare, sideman-0\r\n").text();
    assert_eq!(others, format!("cloudflare, sideman-0 | {named}"));
    let own = format!("CDN-Loop: cloudflare,{named} , other\r\n");
    assert_eq!(sideman.connect().ask("GET", "/", &own).status, 508);
    assert_eq!(sideman.connect().ask("GET", "/healthz", &own).status, 200);
}

#[test]
fn looped_request_is_508_at_once() {
    let directory = TempDir::new();
    let (own, link) = (directory.join("own.sock"), directory.join("link.sock"));
    // Another path, so that the settings do not reveal the loop.
    symlink(&own, &link).unwrap();
    let upstream = format!("http+unix:{}", link.display());
    let listen = format!("unix:{}", own.display());
    let settings = Settings::before(&upstream).args(&["--listen", &listen]);
    let sideman = settings.set("upstream.max_in_flight", "1").start();
    let response = Client::connect_to(&own).ask("GET", "/page", "Accept: application/json\r\n");
    assert_eq!((response.status, &response.json()["error"]), (508, &"loop_detected".into()));
    let line = sideman.log_line("the request that came back", |line| {
        line["path"] == "/page" && line["error"] == "loop_detected"
    });
    assert_eq!(line["status"], 508);
    assert_eq!(sideman.metric("sideman_errors_total", &[("error", "loop_detected")]), 1.0);
    let event = sideman.event("loop_detected");
    assert!(event.contains("upstream.url"), "{event}");
    // A request with a long body as well.
    let body = vec![b'x'; 300_000];
    assert_eq!(Client::connect_to(&own).post("/upload", "", &body).status, 508);
}

#[test]
fn a_loop_through_another_proxy_is_508() {
    let directory = TempDir::new();
    let [first, second] = ["first.sock", "second.sock"].map(|name| directory.join(name));
    let start = |own: &Path, other: &Path| {
        let upstream = format!("http+unix:{}", other.display());
        let listen = format!("unix:{}", own.display());
        Settings::before(&upstream).args(&["--listen", &listen]).start()
    };
    let (one, other) = (start(&first, &second), start(&second, &first));
    assert_eq!(Client::connect_to(&first).get("/").status, 508);
    let loops =
        |sideman: &Sideman| sideman.metric("sideman_errors_total", &[("error", "loop_detected")]);
    assert_eq!((loops(&one), loops(&other)), (1.0, 0.0));
}

/// A gateway that turns packets into requests may forward them here.
#[test]
fn looped_uwsgi_request_is_508() {
    let application = UwsgiApp::tcp(After::Close, |packet| {
        let named = packet.get("HTTP_CDN_LOOP").unwrap_or_default();
        let length = named.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{named}").into_bytes()
    });
    let sideman = Settings::before(&application.url()).start();
    let named = sideman.get("/").text();
    assert!(named.starts_with("sideman-"), "{named}");
    let others = sideman.connect().ask("GET", "/", "CDN-Loop: cloudflare\r\n").text();
    // One variable has both values.
    assert_eq!(others, format!("cloudflare, {named}"));
    let before = application.connections();
    check_comes_back(&sideman, &others);
    assert_eq!(application.connections(), before);
}

#[test]
fn looped_http2_request_is_508() {
    let application =
        App::start(|request| App::reply(request.head.all("cdn-loop").join(",").as_bytes()));
    let sideman = Settings::before(&application.url()).start();
    let mut client = Http2::connect(sideman.address());
    let named = client.get("/").text();
    assert!(named.starts_with("sideman-"), "{named}");
    let before = application.requests();
    check_comes_back(&sideman, &named);
    assert_eq!(application.requests(), before);
    // The other streams of its connection are served.
    let fields = [("cdn-loop", named.as_str())];
    let (first, second) = (client.ask("GET", "/again", &fields), client.ask("GET", "/", &[]));
    assert_eq!(client.response(first).status, 508);
    assert_eq!(client.response(second).text(), named);
    let third = client.post("/again", &fields, b"order");
    assert_eq!(client.response(third).status, 508);
    assert_eq!(client.get("/").text(), named);
}

/// A forwarded request with this process name, over each protocol that clients use.
#[track_caller]
fn check_comes_back(sideman: &Sideman, named: &str) {
    let field = format!("CDN-Loop: {named}\r\n");
    assert_eq!(sideman.connect().ask("GET", "/again", &field).status, 508);
    let mut client = Http2::connect(sideman.address());
    let stream = client.ask("GET", "/again", &[("cdn-loop", named)]);
    assert_eq!(client.response(stream).status, 508);
    assert_eq!(sideman.log_of("/again")["error"], "loop_detected");
}
