//! Many slow readers: the memory that each of them uses.

use std::fs::File;

use crate::support::{Client, ReservedPort, Settings, Sideman, TempDir, eventually};

const SIZE: u64 = 1 << 20;

/// This number of files of 1 MiB, served with this much memory. Sparse files are read like any others.
fn start(files: usize, memory: &str) -> (Sideman, TempDir, ReservedPort) {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    for number in 0..files {
        let file = File::create(directory.join(&format!("{number}.bin"))).unwrap();
        file.set_len(SIZE).unwrap();
    }
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.memory", memory)
        .set("server.workers", "1")
        .start();
    (sideman, directory, application)
}

/// Clients that have read the head and nothing of the body, of each file in turn.
fn readers(sideman: &Sideman, count: usize, files: usize) -> Vec<Client> {
    let reader = |number: usize| {
        let mut client = Client::connect_with_small_buffer(sideman.address(), 16 * 1024);
        let target = format!("/static/{}.bin", number % files);
        client.send(format!("GET {target} HTTP/1.1\r\nHost: example.test\r\n\r\n"));
        assert_eq!(client.head().status(), Ok(200));
        client
    };
    (0..count).map(reader).collect()
}

/// Waits until nothing more is sent.
fn until_rest(sideman: &Sideman) {
    let mut last = (0.0, 0);
    eventually("rest", || {
        let sent = sideman.metric("sideman_sent_bytes_total", &[]);
        last = if sent == last.0 { (sent, last.1 + 1) } else { (sent, 0) };
        (last.1 == 20).then_some(())
    });
}

#[test]
fn slow_readers_of_uncached_files_hold_no_file_memory() {
    const READERS: usize = 100;
    const FILES: usize = 20;
    let (sideman, _directory, _application) = start(FILES, "4MiB");
    assert_eq!(sideman.get("/static/0.bin").body.len() as u64, SIZE);
    let before = sideman.memory("RssAnon");
    let mut clients = readers(&sideman, READERS, FILES);
    until_rest(&sideman);
    let each = sideman.memory("VmHWM").saturating_sub(before) / READERS as u64;
    let own = sideman.memory("RssAnon").saturating_sub(before) / READERS as u64;
    // One whole file, and the usual memory of a connection and a request.
    assert!(own < 24 * 1024, "{own} bytes for each client, {each} at the peak");
    assert_eq!(sideman.metric("sideman_requests_in_flight", &[]), READERS as f64);
    for client in &mut clients {
        client.send("GET /static/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(client.until_closed().len() as u64 > SIZE);
    }
}

#[test]
fn slow_readers_of_evicted_files_hold_at_most_a_quarter_more() {
    const FILES: usize = 120;
    let (sideman, _directory, _application) = start(FILES, "64MiB");
    let mut clients = readers(&sideman, FILES, FILES);
    until_rest(&sideman);
    let held = sideman.memory("RssAnon") + sideman.memory("RssShmem");
    assert!(held < 96 << 20, "{held} bytes");
    let streamed = |sideman: &Sideman| {
        sideman.metric("sideman_file_store_streamed_total", &[("store", "static")])
    };
    assert!(streamed(&sideman) >= 30.0, "{}", streamed(&sideman));
    for client in &mut clients {
        client.send("GET /static/none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(client.until_closed().len() as u64 > SIZE);
    }
    // When they disconnect, memory is free again.
    drop(clients);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    let before = streamed(&sideman);
    for number in 0..FILES {
        sideman.get(&format!("/static/{number}.bin"));
    }
    assert_eq!(streamed(&sideman), before);
}
