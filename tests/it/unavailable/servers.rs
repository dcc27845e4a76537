//! Several servers: the least busy is next, failing ones are ejected, but never all of them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
    time::{Duration, Instant},
};

use super::ask;
use crate::support::{
    After, App, Gate, Origin, Packet, Protocol, ReservedAddress, ReservedPort, Settings, TempDir,
    Transport, UwsgiApp, can_mount, close, eventually, expect, repeat_for, skip,
};

fn before(urls: &[&str]) -> Settings {
    Settings::before(urls[0])
        .args(&urls[1..].iter().flat_map(|&url| ["--upstream", url]).collect::<Vec<_>>())
}

#[test]
fn least_busy_server_is_next() {
    let gate = Gate::new();
    let held = gate.clone();
    let slow = App::start(move |_| {
        held.pass();
        App::reply(b"slow")
    });
    let fast = App::saying("fast");
    let sideman = before(&[&slow.url(), &fast.url()]).start();
    // If all are equally busy, the first in the list is next.
    let mut first = ask(&sideman, "GET", "/1", "");
    eventually("a request at the slow one", || (slow.requests() == 1).then_some(()));
    for _ in 0..10 {
        assert_eq!(sideman.get("/").text(), "fast");
    }
    assert_eq!(slow.requests(), 1);
    gate.open();
    assert_eq!(first.response().text(), "slow");
}

#[test]
fn refusing_server_is_skipped_until_available() {
    let (port, well) = (ReservedPort::new(), App::saying("well"));
    let sideman = before(&[&port.url(), &well.url()]).set("upstream.wait", "0s").start();
    for _ in 0..20 {
        assert_eq!(sideman.get("/").text(), "well");
    }
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]), 1.0);
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "available")]), 1.0);
    assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 1.0);
    let back = App::on(port.listen(), |_| App::reply(b"back"));
    eventually("a request at the one that is back", || {
        sideman.get("/");
        (back.requests() > 0).then_some(())
    });
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]), 0.0);
}

#[test]
fn failing_server_is_ejected_for_a_while() {
    let broken = Origin::scripts([(); 3].map(|()| vec![expect("POST "), close()]));
    let well = App::saying("well");
    let sideman = before(&[&broken.url(), &well.url()]).start();
    let statuses: Vec<u16> =
        (0..20).map(|_| sideman.connect().post("/", "", b"x").status).collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 502).count(), 3, "{statuses:?}");
    assert_eq!(statuses[19], 200);
    assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 1.0);
}

#[test]
fn last_server_is_never_ejected() {
    let broken = Origin::scripts([(); 6].map(|()| vec![expect("POST "), close()]));
    let sideman = Settings::before(&broken.url()).start();
    for _ in 0..6 {
        assert_eq!(sideman.connect().post("/", "", b"x").status, 502);
    }
    assert_eq!(sideman.metric("sideman_upstream_ejections_total", &[]), 0.0);
}

#[test]
fn server_name_is_resolved_when_needed() {
    let app = App::saying("four");
    let port = app.url().rsplit(':').next().unwrap().to_owned();
    let sideman = Settings::before(&format!("http://localhost:{port}")).start();
    assert_eq!(sideman.get("/").text(), "four");
    // The other address family belongs to the same server.
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "available")]), 1.0);
}

#[test]
fn other_address_family_is_tried_when_the_first_fails() {
    if !can_mount() {
        return;
    }
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return skip("the loopback has no ::1", "set net.ipv6.conf.lo.disable_ipv6 to 0");
    }
    // A machine's own localhost often has one address only.
    let directory = TempDir::new();
    let hosts = directory.write("hosts", "::1 both.test\n127.0.0.1 both.test\n");
    let mount = format!("mount --bind {} /etc/hosts", hosts.display());
    for here in [IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST)] {
        let listener = eventually("a port that is free for both families", || {
            let listener = TcpListener::bind((here, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let other = if here.is_ipv6() { "127.0.0.1" } else { "::1" };
            TcpListener::bind((other, port)).is_ok().then_some(listener)
        });
        let port = listener.local_addr().unwrap().port();
        let settings = Settings::before(&format!("http://both.test:{port}"));
        let sideman = settings.set("upstream.wait", "15s").mounts(&mount).start();
        let _app = App::on(listener, |_| App::reply(b"six or four"));
        assert_eq!(sideman.get("/").text(), "six or four", "{here}");
    }
}

#[test]
fn unresolvable_server_is_skipped() {
    let app = App::saying("known");
    let port = app.url().rsplit(':').next().unwrap().to_owned();
    let urls = ["http://name.invalid:1", &format!("http://localhost:{port}")];
    let sideman = before(&urls).set("upstream.wait", "15s").start();
    assert_eq!(sideman.get("/").text(), "known");
    assert_eq!(sideman.metric("sideman_upstream_servers", &[("state", "available")]), 1.0);
}

#[test]
fn server_found_unavailable_by_a_probe_recovers_at_once() {
    // The only server, unavailable when probed: later requests wait for it.
    let answered_in = || {
        let port = ReservedPort::new();
        let settings = Settings::before(&port.url()).set("upstream.probe", "1s");
        let sideman = settings.set("upstream.wait", "15s").start();
        sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 1.0);
        let _app = App::on(port.listen(), |_| App::reply(b"back"));
        let begin = Instant::now();
        assert_eq!(sideman.get("/").text(), "back");
        begin.elapsed()
    };
    // An ejection always lasts a second here: a busy machine is slow now and then.
    let is_quick = |_| answered_in() < Duration::from_millis(700);
    assert!((0..10).any(is_quick), "ten times it took longer");
}

#[test]
fn probe_finds_an_unavailable_server_before_any_request() {
    let port = ReservedPort::new();
    let well = App::saying("well");
    let sideman = before(&[&port.url(), &well.url()]).set("upstream.probe", "1s").start();
    sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 1.0);
    assert_eq!(well.requests(), 0);
    assert_eq!(sideman.metric("sideman_upstream_connections_failed_total", &[]), 0.0);
}

#[test]
fn probe_of_a_path_checks_the_status() {
    let sick = App::start(|_| b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec());
    let well = App::saying("well");
    let settings = before(&[&sick.url(), &well.url()]).set("upstream.probe", "1s");
    let sideman = settings.set("upstream.probe_path", "/health").start();
    sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 1.0);
    sideman.event("the response to the probe was 503");
    assert_eq!(sideman.get("/").text(), "well");
}

/// Bytes that are not a response in the server's protocol fail the probe, even if they contain 200.
#[test]
fn probe_accepts_only_responses_in_the_servers_protocol() {
    for nonsense in [
        "XXXXXXXXX200 OK\r\n\r\n",
        "SSH-2.0-a200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n\r\n",
    ] {
        let sick = App::start(|_| [nonsense.as_bytes(), b"\r\n\r\n"].concat());
        let well = App::saying("well");
        let settings = before(&[&sick.url(), &well.url()]).set("upstream.probe", "1s");
        let sideman = settings.set("upstream.probe_path", "/health").start();
        sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 1.0);
        assert_eq!(sideman.get("/").text(), "well", "{nonsense:?}");
    }
}

#[test]
fn a_probe_speaks_the_uwsgi_protocol() {
    let answer = |status: &str| {
        let status = status.to_owned();
        UwsgiApp::tcp(After::Close, move |packet: &Packet| {
            let is_probe = packet.get("REQUEST_URI") == Some("/health");
            let status = if is_probe { &status } else { "200 OK" };
            format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").into_bytes()
        })
    };
    let (sick, well) = (answer("500 No"), answer("404 Not Found"));
    let settings = before(&[&sick.url(), &well.url()]).set("upstream.probe", "1s");
    let sideman = settings.set("upstream.probe_path", "/health").start();
    sideman.until_metric("sideman_upstream_servers", &[("state", "unavailable")], 1.0);
    sideman.event("the response to the probe was 500");
    assert_eq!(sideman.get("/").text(), "ok");
}

/// An unused name is resolved less and less often.
#[test]
fn request_waiting_for_dns_continues_once_resolved() {
    if !can_mount() {
        return;
    }
    let app = App::saying("here");
    let port = app.url().rsplit(':').next().unwrap().to_owned();
    let directory = TempDir::new();
    let hosts = directory.write("hosts", "127.0.0.1 localhost\n");
    let mount = format!("mount --bind {} /etc/hosts", hosts.display());
    let settings = Settings::before(&format!("http://late.test:{port}"));
    let sideman = settings.set("upstream.wait", "20s").mounts(&mount).start();
    let mut client = sideman.connect();
    client.send("GET /late HTTP/1.1\r\nHost: example.test\r\n\r\n");
    // Long enough for the intervals to grow.
    let is_queued = || sideman.metric("sideman_queue_length", &[]);
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    repeat_for(Duration::from_secs(5), || assert_eq!(is_queued(), 1.0));
    // In place: the mount is of this file, and not of its name.
    std::fs::write(&hosts, "127.0.0.1 localhost late.test\n").unwrap();
    let begin = Instant::now();
    assert_eq!(client.response().text(), "here");
    let took = begin.elapsed();
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[test]
fn routes_can_use_other_upstreams() {
    let (main, events, deep) = (App::saying("main"), App::saying("events"), App::saying("deep"));
    let sideman = Settings::before(&main.url())
        .route("ws", &[("path", "/ws/"), ("upstream", &events.url())])
        .route("deep", &[("path", "/ws/deep/"), ("upstream", &deep.url())])
        .start();
    for (path, text) in [
        ("/", "main"),
        ("/ws", "main"),
        ("/ws/", "events"),
        ("/ws/a?b", "events"),
        ("/ws/deep/a", "deep"),
        ("/%77s/a", "events"),
        ("/x/../ws/a", "events"),
        ("/wsx/", "main"),
    ] {
        assert_eq!(sideman.get(path).text(), text, "{path}");
    }
}

#[test]
fn event_names_the_failed_upstream_and_a_remedy() {
    let (main, gone) = (App::saying("main"), ReservedPort::new());
    let sideman = Settings::before(&main.url())
        .route("ws", &[("path", "/ws/"), ("upstream", &gone.url())])
        .set("upstream.wait", "0s")
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/").text(), "main");
    assert_eq!(client.get("/ws/chat").status, 502);
    let event = sideman.event("request failed at the application");
    let address = gone.url().replace("http://", "target=");
    assert!(event.contains(&address), "{event}");
    assert!(event.contains("check that the application runs"), "{event}");
}

/// A server that fails repeatedly would fill the log.
#[test]
fn outages_are_logged_once_in_ten_seconds() {
    let place = ReservedAddress::new(Transport { protocol: Protocol::Http, is_unix: false });
    let sideman = Settings::before(&place.url()).start();
    let mut outages = 0;
    let mut come_and_go = || {
        let app = App::on(place.listen().into(), |_| App::reply(b"here"));
        eventually("an answer", || (sideman.get("/").status == 200).then_some(()));
        drop(app);
        // A request that is in flight when the application ends has another error, and ejects nothing.
        let is_away =
            || sideman.metric("sideman_upstream_servers", &[("state", "unavailable")]) == 1.0;
        eventually("an outage", || (sideman.get("/").status == 502 && is_away()).then_some(()));
        outages += 1;
    };
    let begin = Instant::now();
    come_and_go();
    repeat_for(Duration::from_secs(10), &mut come_and_go);
    // Now another outage may be logged.
    come_and_go();
    let most = 1 + begin.elapsed().as_secs() / 10;
    // Far more outages than log lines.
    assert!(outages > 10, "{outages}");
    let ejections = sideman.metric("sideman_upstream_ejections_total", &[]);
    assert!(ejections >= f64::from(outages), "{ejections} of {outages}");
    let (_, events) = sideman.stop_for_events();
    let with = |part: &str| events.iter().filter(|line| line.contains(part)).collect::<Vec<_>>();
    let lines = with("upstream server unavailable");
    assert!(lines.len() >= 2 && lines.len() as u64 <= most, "{most}: {lines:#?}");
    assert!(lines[0].contains("upstream_refused") && lines[0].contains("missed=0"), "{lines:#?}");
    // The other outages are counted.
    assert!(!lines[1].contains("missed=0"), "{lines:#?}");
    assert!(with("upstream server available again").len() <= lines.len(), "{events:#?}");
}
