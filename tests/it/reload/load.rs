//! Many reloads: no request fails, and no resource leaks.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use super::{File, hang_up, reload};
use crate::support::{App, Client, Sideman, TempDir, eventually, eventually_is, pace};

/// Entries of a directory of /proc.
fn count(sideman: &Sideman, what: &str) -> usize {
    fs::read_dir(format!("/proc/{}/{what}", sideman.pid())).unwrap().count()
}

#[test]
fn no_request_fails_while_everything_changes() {
    let applications = [App::saying("hello"), App::saying("hello")];
    let directories = [TempDir::new(), TempDir::new()];
    let content = crate::support::pattern(200_000);
    for directory in &directories {
        directory.write("a.bin", &content);
    }
    let file = File::before(&applications[0].url());
    let roots = |place: usize| format!("[\"/static/={}\"]", directories[place].path().display());
    file.set("static.roots", &roots(0)).set("server.workers", "2");
    let sideman = file.start();
    let address = sideman.address();
    let (ends, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (ends, served) = (Arc::clone(&ends), Arc::clone(&served));
            let content = content.clone();
            thread::spawn(move || {
                let mut client = Client::connect(address);
                while !ends.load(Ordering::Relaxed) {
                    match number {
                        0 => assert_eq!(client.get("/").text(), "hello"),
                        1 => assert!(client.get("/static/a.bin").body == content),
                        2 => assert_eq!(client.post("/", "", &content).text(), "hello"),
                        // This client opens a new connection each time.
                        _ => assert_eq!(Client::connect(address).get("/").text(), "hello"),
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                    pace();
                }
            })
        })
        .collect();
    for number in 1..=20 {
        let place = number % 2;
        let before = served.load(Ordering::Relaxed);
        file.set("upstream.url", &format!("{:?}", applications[place].url()))
            .set("static.roots", &roots(place))
            .set("upstream.max_in_flight", &format!("{}", 50 + number))
            .set("buffers.memory", &format!("\"{}MiB\"", 30 + number));
        hang_up(&sideman, f64::from(u32::try_from(number).unwrap()));
        eventually("requests to go on", || {
            (served.load(Ordering::Relaxed) > before + 20).then_some(())
        });
    }
    ends.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    // A health check before readiness is not a client's request.
    for (route, class) in
        ["none", "static", "proxy"].into_iter().flat_map(|route| [(route, "4xx"), (route, "5xx")])
    {
        let labels = [("route", route), ("status", class)];
        assert_eq!(sideman.metric("sideman_requests_total", &labels), 0.0, "{labels:?}");
    }
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    assert_eq!(sideman.metric("sideman_upstream_servers", &[]), 1.0);
    sideman.until_metric("sideman_buffer_bytes", &[], 0.0);
}

#[test]
fn fifty_reloads_leak_nothing() {
    let applications = [App::saying("hello"), App::saying("hello")];
    let directories = [TempDir::new(), TempDir::new()];
    for directory in &directories {
        directory.write("a.bin", [b'x'; 500_000]);
        directory.write("staticfiles.json", r#"{"version": "1.1", "paths": {}}"#);
        directory.write("502.html", "soon");
    }
    let file = File::before(&applications[0].url());
    file.set("server.workers", "2")
        .set("tls.listen", r#"["127.0.0.1:0"]"#)
        .set("tls.self_signed", "true");
    let change = |number: usize| {
        let place = number % 2;
        let directory = directories[place].path().display();
        file.set("upstream.url", &format!("{:?}", applications[place].url()))
            .set("static.roots", &format!("[\"/static/={directory}\"]"))
            .set("errors.502", &format!("\"{directory}/502.html\""))
            .set("tls.handshake_timeout", &format!("\"{}s\"", 5 + place))
            .set("buffers.memory", &format!("\"{}MiB\"", 30 + place));
        let extra = if place == 0 { "" } else { r#", "127.0.0.2:0""# };
        file.set("server.listen", &format!("[\"127.0.0.1:0\"{extra}]"));
    };
    change(0);
    let sideman = file.start();
    let mut client = sideman.connect();
    let mut turn = |number: usize| {
        change(number);
        reload(&sideman);
        assert_eq!(client.get("/").text(), "hello");
        assert_eq!(client.get("/static/a.bin").body.len(), 500_000);
    };
    // The first reloads make lasting resources: idle threads, memory of the allocator.
    (1..=10).for_each(&mut turn);
    let settled = |what: &str| {
        let mut last = usize::MAX;
        // Threads that check files once a second end at their next check.
        eventually(what, || {
            let now = count(&sideman, what);
            thread::sleep(std::time::Duration::from_millis(1200));
            let is_settled = now >= last;
            last = now;
            is_settled.then_some(now)
        })
    };
    let (threads, descriptors, before) = (settled("task"), settled("fd"), sideman.memory("VmRSS"));
    (11..=60).for_each(&mut turn);
    let at_most = |what: &str, most: usize| {
        eventually_is(what, &true, || count(&sideman, what) <= most);
    };
    at_most("task", threads + 1);
    at_most("fd", descriptors + 2);
    let after = sideman.memory("VmRSS");
    assert!(after < before + (16 << 20), "{before} bytes, then {after}");
}
