//! Buffers that fail for another reason than missing space.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use crate::support::{Gate, Origin, Settings, Sideman, close, expect, open, send, wait};

/// Truncates the memory files that hold buffered bodies; returns their number.
fn cut_files(sideman: &Sideman) -> usize {
    let descriptors = format!("/proc/{}/fd", sideman.pid());
    let entries = fs::read_dir(descriptors).unwrap().map(|entry| entry.unwrap().path());
    let is_body = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|name| name.to_string_lossy().contains("sideman-body"))
    };
    let bodies: Vec<PathBuf> = entries.filter(is_body).collect();
    for path in &bodies {
        File::options().write(true).open(path).unwrap().set_len(0).unwrap();
    }
    bodies.len()
}

/// A failure to read a buffered body again is not a lack of space.
#[test]
fn unreadable_buffered_body_has_its_own_error() {
    let (asked, goes_on) = (Gate::new(), Gate::new());
    let origin = Origin::script([
        expect("GET /first "),
        open(&asked),
        wait(&goes_on),
        send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        close(),
    ]);
    let sideman = Settings::before(&origin.url())
        .set("buffers.directory", "memory")
        .set("upstream.max_in_flight", "1")
        .start();
    let mut first = sideman.connect();
    first.send("GET /first HTTP/1.1\r\nHost: example.test\r\n\r\n");
    asked.pass();
    let mut second = sideman.connect();
    second.send("POST /second HTTP/1.1\r\nHost: example.test\r\nContent-Length: 1000000\r\n\r\n");
    second.send(vec![b'x'; 1_000_000]);
    sideman.until_metric("sideman_queue_length", &[], 1.0);
    assert_eq!(cut_files(&sideman), 1);
    goes_on.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(second.response().status, 500);
    assert_eq!(sideman.log_of("/second")["error"], "buffer_failed");
    let event = sideman.event("buffer_failed");
    assert!(event.contains("reading a buffered body failed"), "{event}");
    assert!(event.contains("buffers.directory"), "{event}");
}
