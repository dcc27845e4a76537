//! Clients that read slowly, or not at all.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use crate::support::{ReservedPort, Settings, Sideman, TempDir, eventually, pattern};

/// More than any kernel buffers at once.
const SIZE: usize = 24 << 20;

fn start(directory: &TempDir, application: &ReservedPort) -> Sideman {
    directory.write("large.bin", pattern(SIZE));
    Settings::before(&application.url())
        .files("/static/", directory.path())
        .set("server.write_timeout", "1s")
        .start()
}

fn ask(sideman: &Sideman) -> TcpStream {
    let mut stream = TcpStream::connect(sideman.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /static/large.bin HTTP/1.1\r\nHost: example.test\r\n\r\n").unwrap();
    stream
}

#[test]
fn stalled_reader_is_disconnected() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let sideman = start(&directory, &application);
    let mut stream = ask(&sideman);
    sideman.until_metric("sideman_client_timeouts_total", &[("timer", "write")], 1.0);
    sideman.until_metric("sideman_requests_in_flight", &[], 0.0);
    let line = sideman.log_of("/static/large.bin");
    assert_eq!(line["error"], "client_disconnected");
    // It gets only the bytes in the kernels' buffers.
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < SIZE, "{} bytes", rest.len());
}

#[test]
fn slow_reader_above_min_rate_is_kept() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    let sideman = start(&directory, &application);
    let mut stream = ask(&sideman);
    let (begin, mut taken, mut piece) = (Instant::now(), 0, vec![0; 256 << 10]);
    // Three times the timeout; the pauses are the client's slowness.
    while begin.elapsed() < Duration::from_secs(3) {
        taken += stream.read(&mut piece).unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    let mut rest = vec![0; SIZE - taken];
    stream.read_exact(&mut rest).unwrap();
    eventually("its line", || {
        let line = sideman.log_of("/static/large.bin");
        (line["bytes"] == SIZE && line.get("error").is_none()).then_some(())
    });
    assert_eq!(sideman.metric("sideman_client_timeouts_total", &[("timer", "write")]), 0.0);
}
