//! Bodies: streamed while they are stored, bounded in memory, on disk if they are large.

use std::{
    io::Read as _,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{FRESH, Site, cache_status, is_hit, response};
use crate::support::{
    Client, Gate, Origin, Sideman, TempDir, eventually, expect, pattern, send, wait,
};

/// An application with bodies of the sizes that targets name.
fn sized() -> Site {
    Site::answering(|request, _| {
        let size: usize = request.target().rsplit('/').next().unwrap().parse().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n{FRESH}\r\nContent-Length: {size}\r\n\r\n"
        );
        [head.into_bytes(), pattern(size)].concat()
    })
}

#[track_caller]
fn check(client: &mut Client, target: &str) -> bool {
    let size: usize = target.rsplit('/').next().unwrap().parse().unwrap();
    let page = client.get(target);
    assert_eq!(page.status, 200);
    assert!(page.body == pattern(size), "{target}: {} bytes", page.body.len());
    is_hit(&page)
}

#[test]
fn pieces_reach_the_client_while_the_response_is_stored() {
    let gate = Gate::new();
    let head = format!("HTTP/1.1 200 OK\r\n{FRESH}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let first = format!("{:x}\r\n{}\r\n", 100_000, "a".repeat(100_000));
    let origin = Origin::script([
        expect("GET / "),
        send(head + &first),
        wait(&gate),
        send("3\r\nend\r\n0\r\n\r\n"),
    ]);
    let sideman = origin.settings().set("cache.memory", "64MiB").start();
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
    // The rest has not been sent yet.
    client.until(&"a".repeat(1000));
    gate.open();
    client.until("end");
    let page = sideman.get("/");
    assert_eq!((is_hit(&page), page.body.len()), (true, 100_003));
}

#[test]
fn event_streams_are_neither_stored_nor_shared() {
    let gate = Gate::new();
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: max-age=600\r\n\
                  Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
    let script = || vec![expect("GET /events "), send(stream), wait(&gate), send("0\r\n\r\n")];
    let origin = Origin::scripts([script(), script()]);
    let sideman = origin.settings().set("cache.memory", "64MiB").start();
    let ask = "GET /events HTTP/1.1\r\nHost: example.test\r\n\r\n";
    let mut clients = [sideman.connect(), sideman.connect()];
    for client in &mut clients {
        client.send(ask);
        client.until("data: 1");
    }
    gate.open();
}

#[test]
fn a_client_that_reads_slowly_does_not_slow_down_others() {
    const SIZE: usize = 900_000;
    let site = sized();
    let sideman = site.sideman();
    let mut slow = Client::connect_with_small_buffer(sideman.address(), 4096);
    slow.send(format!("GET /{SIZE} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
    slow.until("\r\n\r\n");
    let begin = Instant::now();
    eventually("a hit", || check(&mut sideman.connect(), &format!("/{SIZE}")).then_some(()));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(site.count(), 1);
    assert!(slow.exact(SIZE) == pattern(SIZE));
}

#[test]
fn a_client_that_leaves_does_not_leave_half_a_page() {
    const SIZE: usize = 900_000;
    let site = sized();
    let sideman = site.sideman();
    for _ in 0..5 {
        let mut first = Client::connect_with_small_buffer(sideman.address(), 4096);
        first.send(format!("GET /{SIZE} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
        first.until("\r\n\r\n");
        first.reset_connection();
        check(&mut sideman.connect(), &format!("/{SIZE}"));
        sideman.connect().post(&format!("/{SIZE}"), "", b"");
    }
}

#[test]
fn bodies_beyond_the_limit_are_sent_and_not_stored() {
    let site = sized();
    let sideman = site.settings().set("cache.max_object", "64KiB").start();
    let mut client = sideman.connect();
    assert_eq!((check(&mut client, "/65000"), check(&mut client, "/65000")), (false, true));
    for _ in 0..3 {
        assert!(!check(&mut client, "/70000"));
        assert!(!check(&mut client, "/3000000"));
    }
}

#[test]
fn large_bodies_are_stored_on_disk() {
    const SIZE: usize = 3_000_000;
    let (site, directory) = (sized(), TempDir::new());
    let sideman = site
        .settings()
        .set("cache.disk", "64MiB")
        .set("buffers.directory", directory.path().to_str().unwrap())
        .start();
    let mut client = sideman.connect();
    let target = format!("/{SIZE}");
    check(&mut client, &target);
    assert!(check(&mut client, &target));
    let part = client.ask("GET", &target, "Range: bytes=1000000-1000999\r\n");
    assert_eq!((part.status, part.body.len()), (206, 1000));
    assert!(part.body == pattern(SIZE)[1_000_000..1_001_000]);
    let head = client.ask("HEAD", &target, "");
    assert_eq!(head.header("content-length"), Some(SIZE.to_string().as_str()));
    assert_eq!(site.count(), 1);
    // The files have no names.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Everything that is stored has a place in the budget.
#[test]
fn memory_is_bounded() {
    let site = sized();
    let sideman = site.settings().set("cache.memory", "8MiB").start();
    let mut client = sideman.connect();
    check(&mut client, "/warm/50000");
    let before = sideman.memory("RssAnon");
    for page in 0..800 {
        check(&mut client, &format!("/{page}/50000"));
    }
    let grown = sideman.memory("RssAnon").saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for 40 MB of pages");
    // The last ones are there.
    assert!(check(&mut client, "/799/50000"));
}

#[test]
fn compressed_pages_of_the_application_stay_as_they_are() {
    let mut packed = Vec::new();
    let page = "a page ".repeat(1000);
    flate2::read::GzEncoder::new(page.as_bytes(), flate2::Compression::best())
        .read_to_end(&mut packed)
        .unwrap();
    let body = Arc::new(packed);
    let sent = Arc::clone(&body);
    let site = Site::answering(move |_, _| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n{FRESH}\r\nContent-Encoding: gzip\r\n\
             Content-Type: text/html\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        [head.as_bytes(), &sent].concat()
    });
    let sideman = site.sideman();
    let mut client = sideman.connect();
    for _ in 0..3 {
        let page = client.ask("GET", "/", "Accept-Encoding: gzip\r\n");
        assert_eq!(page.header("content-encoding"), Some("gzip"), "{}", cache_status(&page));
        assert!(page.body == *body);
    }
}

#[test]
fn http_1_0_clients_get_stored_pages() {
    let site = Site::answering(|request, _| response(request, "200 OK", &[FRESH], "page"));
    let sideman: Sideman = site.sideman();
    assert_eq!(sideman.get("/").text(), "page");
    let mut client = sideman.connect();
    client.send("GET / HTTP/1.0\r\nHost: example.test\r\n\r\n");
    let all = String::from_utf8(client.until_closed()).unwrap();
    assert!(all.ends_with("\r\n\r\npage") && all.contains("; hit"), "{all}");
    assert_eq!(site.count(), 1);
}
