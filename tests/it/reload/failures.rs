//! A reload that fails changes nothing, and reports every problem.

use std::net::TcpListener;

use rustix::process::Signal;

use super::{File, ask, is_there, reload};
use crate::support::{App, Client, TempDir};

#[test]
fn invalid_file_changes_nothing() {
    let (application, other) = (App::saying("hello"), App::saying("other"));
    let file = File::before(&application.url());
    let sideman = file.start();
    let loaded = sideman.metric("sideman_settings_loaded_timestamp_seconds", &[]);
    assert!(loaded > 1.7e9, "{loaded}");
    assert_eq!(sideman.metric("sideman_last_reload_failed", &[]), 0.0);
    let status = || sideman.admin_get("/-/status.json").json();
    assert_eq!(status()["process"]["last_reload"], "none");
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "hello");

    file.set("upstream.url", &format!("{:?}", other.url()))
        .set("server.max_body", "\"lots\"")
        .set("server.idle_timeout", "\"1ms\"")
        .set("log.level", "\"loud\"")
        .set("upstream.no_such_key", "1");
    sideman.signal(Signal::HUP);
    sideman.until_metric("sideman_reloads_total", &[("result", "failed")], 1.0);
    let keys = ["server.max_body", "server.idle_timeout", "log.level", "upstream.no_such_key"];
    for key in keys {
        let event = sideman.event(&format!("the new settings are invalid problem=\"{key}"));
        assert!(event.contains("ERROR"), "{event}");
    }
    assert!(sideman.event("not reloaded").contains("problems=4"));
    assert_eq!(sideman.metric("sideman_last_reload_failed", &[]), 1.0);
    let shown = status()["process"]["last_reload"].to_string();
    assert!(shown.starts_with("\"failed ") && shown.ends_with(" s ago, see the log\""), "{shown}");
    assert_eq!(client.get("/").text(), "hello");

    let response = ask(&sideman);
    assert_eq!(response.status, 422);
    assert!(keys.iter().all(|key| response.text().contains(key)), "{}", response.text());
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(sideman.metric("sideman_reloads_total", &[("result", "ok")]), 0.0);

    for key in keys {
        file.remove(key);
    }
    reload(&sideman);
    assert_eq!(client.get("/").text(), "other");
    assert_eq!(sideman.metric("sideman_last_reload_failed", &[]), 0.0);
    let shown = status();
    assert_eq!(shown["process"]["last_reload"], "ok");
    // The servers are those of the settings in use.
    let servers: Vec<_> = shown["servers"].as_object().unwrap().keys().collect();
    assert_eq!(servers, [other.url().trim_start_matches("http://")]);
    assert_eq!(sideman.metric("sideman_reloads_total", &[("result", "failed")]), 2.0);
    assert!(sideman.metric("sideman_settings_loaded_timestamp_seconds", &[]) >= loaded);
    std::fs::remove_file(file.directory.join("sideman.toml")).unwrap();
    assert_eq!(ask(&sideman).status, 422);
    assert_eq!(client.get("/").text(), "other");
}

#[test]
fn a_port_in_use_changes_nothing() {
    let (application, other) = (App::saying("hello"), App::saying("other"));
    let file = File::before(&application.url());
    let sideman = file.start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let socket = file.directory.join("new.sock");
    let places = format!("[\"unix:{}\", \"{address}\", \"127.0.0.1:0\"]", socket.display());
    file.set("server.listen", &places).set("upstream.url", &format!("{:?}", other.url()));
    file.set("tls.listen", r#"["127.0.0.2:0"]"#)
        .set("tls.certificates", r#"["/nowhere/a.pem=/nowhere/a.key"]"#);
    let response = ask(&sideman);
    assert_eq!(response.status, 422);
    let text = response.text();
    assert!(text.contains(&format!("cannot listen on {address}")), "{text}");
    assert!(text.contains("/nowhere/a.pem"), "{text}");
    assert!(!is_there(&socket), "a listener is left of a reload that failed");
    assert_eq!(sideman.get("/").text(), "hello");
    // The reload succeeds once the port is free.
    drop(taken);
    file.remove("tls.listen").remove("tls.certificates");
    reload(&sideman);
    assert_eq!(Client::connect(address).get("/").text(), "other");
    assert_eq!(sideman.get("/").text(), "other");
    assert!(is_there(&socket));
}

#[test]
fn reload_requires_post() {
    let application = App::saying("hello");
    let file = File::before(&application.url());
    let sideman = file.start();
    let response = sideman.admin_get("/-/reload");
    assert_eq!((response.status, response.header("allow")), (405, Some("POST")));
    let response = sideman.admin_post("/metrics");
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
    // Clients have no such path.
    assert_eq!(sideman.connect().post("/-/reload", "", b"").text(), "hello");
    assert_eq!(sideman.metric("sideman_reloads_total", &[]), 0.0);
}

#[test]
fn draining_process_does_not_reload() {
    let application = App::saying("hello");
    let file = File::before(&application.url());
    file.set("shutdown.delay", "\"10s\"");
    let sideman = file.start();
    sideman.signal(Signal::TERM);
    sideman.until_metric("sideman_phase", &[("phase", "draining")], 1.0);
    let response = ask(&sideman);
    assert_eq!(response.status, 503);
    assert!(response.text().contains("shutting down"), "{}", response.text());
    // A SIGHUP does not count as a second shutdown signal.
    sideman.signal(Signal::HUP);
    sideman.event("not reloaded: the process is shutting down");
    assert_eq!(sideman.get("/").text(), "hello");
    sideman.signal(Signal::TERM);
    assert_eq!(sideman.wait().0, Some(0));
}

#[test]
fn demo_does_not_reload() {
    let demo = crate::support::Settings::default();
    let sideman =
        demo.args(&["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).start_demo();
    let response = ask(&sideman);
    assert_eq!(response.status, 503);
    assert!(response.text().contains("built into the program"), "{}", response.text());
}

#[test]
fn relative_paths_and_secrets_are_read_again() {
    let (application, other) = (App::saying("hello"), App::saying("other"));
    let secrets = TempDir::new();
    let path = secrets.write("url", application.url());
    let file = File::before(&application.url());
    let settings = file.settings().variable("SIDEMAN_UPSTREAM_FILE", path.to_str().unwrap());
    let sideman = settings.start().until_ready();
    secrets.write("url", other.url());
    reload(&sideman);
    assert_eq!(sideman.get("/").text(), "other");
}
