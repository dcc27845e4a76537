//! The contents of large files are read for their ETags, at a limited rate.

use std::fs::{self, File};

use crate::support::{ReservedPort, Settings, Sideman, TempDir, eventually};

const FILES: u64 = 40;
const SIZE: u64 = 8 << 20;

fn start(rate: &str) -> (Sideman, TempDir, ReservedPort) {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    for number in 0..FILES {
        // A sparse file: it is read like any other.
        let file = File::create(directory.join(&format!("{number}.bin"))).unwrap();
        file.set_len(SIZE).unwrap();
    }
    let sideman = Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("static.hash_rate", rate)
        .start();
    (sideman, directory, application)
}

/// Bytes that the process has read, from any file.
fn read(sideman: &Sideman) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", sideman.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

/// Requests a byte of each file; returns how many responses had an ETag.
fn first_bytes(sideman: &Sideman) -> usize {
    let mut client = sideman.connect();
    let has_tag = |number: &u64| {
        let response = client.ask("GET", &format!("/static/{number}.bin"), "Range: bytes=0-0\r\n");
        assert_eq!((response.status, response.body.len()), (206, 1), "{number}");
        assert!(response.header("last-modified").is_some(), "{number}");
        response.header("etag").is_some()
    };
    (0..FILES).filter(has_tag).count()
}

#[test]
fn hashing_never_reads_faster_than_the_rate() {
    let (sideman, _directory, _application) = start("8MiB");
    let before = read(&sideman);
    let tagged = first_bytes(&sideman);
    let cost = read(&sideman) - before;
    // All files were hashed: one a second, one in advance, and as many as this took seconds.
    assert!(tagged > 0 && tagged < FILES as usize / 2, "{tagged}");
    assert!(cost < FILES * SIZE / 2, "{cost} bytes");
    let without = FILES as usize - tagged;
    let store = &[("store", "static")];
    assert_eq!(sideman.metric("sideman_file_store_unhashed_total", store), without as f64);
    // Each file gets its ETag in time, and keeps it.
    let target = format!("/static/{}.bin", FILES - 1);
    let tag = eventually("its tag", || {
        let response = sideman.connect().ask("HEAD", &target, "");
        response.header("etag").map(str::to_owned)
    });
    let same = sideman.connect().ask("GET", &target, &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(same.status, 304);
}

#[test]
fn hashing_without_a_rate_tags_every_file_at_once() {
    let (sideman, _directory, _application) = start("unlimited");
    assert_eq!(first_bytes(&sideman), FILES as usize);
    let store = &[("store", "static")];
    assert_eq!(sideman.metric("sideman_file_store_unhashed_total", store), 0.0);
}
