//! Immutable files that the kernel may send from the page cache: clients see no difference.

use std::fs::File;

use super::Site;
use crate::support::{Client, ReservedPort, Settings, Sideman, TempDir, pattern};

const NAME: &str = "app.0123456789ab.bin";
const TARGET: &str = "/static/app.0123456789ab.bin";
const SIZE: usize = 100 * 1024;

fn get(fields: &str) -> String {
    format!("GET {TARGET} HTTP/1.1\r\nHost: example.test\r\n{fields}\r\n")
}

#[track_caller]
fn check(client: &mut Client, status: u16, expected: &[u8]) {
    let response = client.response();
    assert_eq!(response.status, status);
    let got = &response.body;
    let same = got.iter().zip(expected).take_while(|(got, expected)| got == expected).count();
    assert!(got == expected, "{} bytes of {}, {same} of them good", got.len(), expected.len());
}

/// Files that are checked once.
fn start(directory: &TempDir, application: &ReservedPort) -> Sideman {
    Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.check_interval", "1h")
        .start()
}

#[test]
fn memfd_sends_whole_files_and_ranges() {
    let content = pattern(SIZE);
    let site = Site::with(&[(NAME, &content)]);
    let mut client = site.sideman.connect();
    for _ in 0..3 {
        client.send(get(""));
        check(&mut client, 200, &content);
    }
    for (range, expected) in [
        ("0-", &content[..]),
        ("0-0", &content[..1]),
        ("1-", &content[1..]),
        ("40000-89999", &content[40_000..90_000]),
        ("-50000", &content[SIZE - 50_000..]),
        ("102399-", &content[SIZE - 1..]),
    ] {
        client.send(get(&format!("Range: bytes={range}\r\n")));
        check(&mut client, 206, expected);
    }
    client.send(get(""));
    check(&mut client, 200, &content);
}

#[test]
fn pipelined_responses_are_not_mixed_up() {
    let content = pattern(SIZE);
    let other: Vec<u8> = pattern(SIZE).into_iter().rev().collect();
    let site = Site::with(&[(NAME, &content), ("other.0123456789ab.bin", &other)]);
    let mut client = site.sideman.connect();
    let another = get("").replace("/app.", "/other.");
    let small = get("").replace(NAME, "alphabet.txt");
    let part = get("Range: bytes=50000-99999\r\n");
    client.send([get(""), get(""), another, part, small, get("")].concat());
    for (status, expected) in [
        (200, &content[..]),
        (200, &content),
        (200, &other),
        (206, &content[50_000..100_000]),
        (200, super::ALPHABET.as_bytes()),
        (200, &content),
    ] {
        check(&mut client, status, expected);
    }
}

#[test]
fn slow_reader_gets_the_whole_file() {
    // The largest file in memory: more than the buffers on the way to the client hold.
    let content = pattern(1 << 20);
    let site = Site::with(&[(NAME, &content)]);
    let mut client = Client::connect_with_small_buffer(site.sideman.address(), 32 * 1024);
    // Three responses wait for the client before it begins to read.
    client.send([get(""), get("Range: bytes=300000-\r\n"), get("")].concat());
    check(&mut client, 200, &content);
    check(&mut client, 206, &content[300_000..]);
    check(&mut client, 200, &content);
}

#[test]
fn head_and_304_send_no_body() {
    let content = pattern(SIZE);
    let site = Site::with(&[(NAME, &content)]);
    let mut client = site.sideman.connect();
    let head = client.ask("HEAD", TARGET, "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("102400")));
    // A body byte would be read as the head of the next response.
    let etag = format!("If-None-Match: {}\r\n", head.header("etag").unwrap());
    assert_eq!(client.ask("GET", TARGET, &etag).status, 304);
    let whole = client.get(TARGET);
    assert!(whole.body == content, "{} bytes", whole.body.len());
    assert_eq!(client.ask("HEAD", TARGET, "").status, 200);
    assert_eq!(client.get("/static/alphabet.txt").text(), super::ALPHABET);
}

#[test]
fn truncated_file_is_sent_from_memory() {
    let content = pattern(SIZE);
    for left in [0, 1, 60_000] {
        let (directory, application) = (TempDir::new(), ReservedPort::new());
        let path = directory.write(NAME, &content);
        let sideman = start(&directory, &application);
        let mut client = sideman.connect();
        client.send(get(""));
        check(&mut client, 200, &content);
        File::options().write(true).open(&path).unwrap().set_len(left).unwrap();
        let part = get("Range: bytes=50000-79999\r\n");
        client.send([get(""), part, get("")].concat());
        check(&mut client, 200, &content);
        check(&mut client, 206, &content[50_000..80_000]);
        check(&mut client, 200, &content);
        let mut slow = Client::connect_with_small_buffer(sideman.address(), 16 * 1024);
        slow.send(get(""));
        check(&mut slow, 200, &content);
    }
}

#[test]
fn files_are_served_without_a_memory_budget() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let (hashed, large) = (pattern(SIZE), pattern(3 << 20));
    directory.write("a.txt", "first");
    directory.write(NAME, &hashed);
    directory.write("large.bin", &large);
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.memory", "0B")
        .start();
    let mut client = sideman.connect();
    let files = [("a.txt", &b"first"[..]), (NAME, &hashed), ("large.bin", &large)];
    for _ in 0..3 {
        for (name, content) in files {
            client.send(get("").replace(NAME, name));
            check(&mut client, 200, content);
        }
    }
    assert_eq!(sideman.metric("sideman_file_store_bytes", &[]), 0.0);
    assert_eq!(sideman.metric("sideman_file_store_hits_total", &[]), 0.0);
    // Without a cache every request checks the file, so a change shows at once.
    directory.write("a.txt", "second");
    assert_eq!(client.get("/static/a.txt").text(), "second");
}
