//! The admin listener: no client blocks it, and no page in a browser can reload the settings.

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{App, Client, Settings, Sideman};

const REFUSED: &str = "sideman_admin_refused_total";

fn refused(sideman: &Sideman, cause: &str) -> f64 {
    sideman.metric(REFUSED, &[("cause", cause)])
}

#[test]
fn silent_connections_do_not_block_a_scrape() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let connect = |_| TcpStream::connect(sideman.admin()).unwrap();
    let silent: Vec<TcpStream> = (0..200).map(connect).collect();
    let begin = Instant::now();
    assert_eq!(sideman.admin_get("/metrics").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // All but 16 connections of one client were closed for later ones.
    assert!(refused(&sideman, "crowded") >= 184.0);
    drop(silent);
}

#[test]
fn slow_admin_request_times_out_and_is_counted() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let begin = Instant::now();
    let mut client = Client::connect(sideman.admin()).with_timeout(Duration::from_secs(60));
    client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ");
    assert!(client.until_gone().is_empty());
    assert!(begin.elapsed() >= Duration::from_secs(15), "{:?}", begin.elapsed());
    assert_eq!(refused(&sideman, "slow"), 1.0);
}

#[test]
fn admin_connection_has_one_request() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start();
    let mut client = Client::connect(sideman.admin());
    assert!(client.get("/metrics").closes());
    assert!(client.until_closed().is_empty());
}

#[test]
fn cross_site_reload_is_refused() {
    let application = App::saying("hello");
    let sideman = Settings::before(&application.url()).start().until_ready();
    let ask = |fields: &str| {
        let mut client = Client::connect(sideman.admin());
        let head = format!("POST /-/reload HTTP/1.1\r\nContent-Length: 0\r\n{fields}\r\n");
        client.send(head).response()
    };
    for (fields, expected) in [
        // A form of another site.
        (
            "Host: 127.0.0.1:9180\r\nOrigin: http://example.org\r\nContent-Type: text/plain\r\n",
            "missing",
        ),
        // A page whose host name was pointed here after it was loaded (DNS rebinding).
        ("Host: example.org:9180\r\nSideman-Reload: 1\r\n", "example.org"),
    ] {
        let answer = ask(fields);
        assert_eq!(answer.status, 403, "{fields}");
        assert!(answer.text().contains(expected), "{}", answer.text());
    }
    assert!(sideman.event("reload request refused").contains("Sideman-Reload"));
    assert_eq!(refused(&sideman, "reload"), 2.0);
    assert_eq!(sideman.metric("sideman_reloads_total", &[]), 0.0);
    for host in ["localhost", "127.0.0.1:9180", "[::1]", "sideman"] {
        let answer = ask(&format!("Host: {host}\r\nSideman-Reload: 1\r\n"));
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
    sideman.until_metric("sideman_reloads_total", &[("result", "ok")], 4.0);
}
