//! The rate at which files are sent.

use std::time::{Duration, Instant};

use super::{Site, assert_silent};
use crate::support::{App, Gate, Origin, Settings, expect, pattern, send, wait};

#[test]
fn large_file_is_sent_whole() {
    let large = pattern((3 << 20) + 17);
    let site = Site::with(&[("protected/large.bin", &large)]);
    let said = "X-Accel-Redirect: /protected/large.bin";
    let mut client = site.sideman.connect();
    for _ in 0..2 {
        let response = client.get(&super::path(said));
        assert_eq!(response.header("content-length"), Some("3145745"));
        assert!(response.body == large, "{} bytes came", response.body.len());
    }
    let response = client.ask("GET", &super::path(said), "Range: bytes=2097150-2097155\r\n");
    assert_eq!(response.status, 206);
    assert!(response.body == large[2_097_150..=2_097_155], "{:?}", response.body);
}

#[test]
fn x_accel_limit_rate_limits_the_rate() {
    let content = pattern(2000);
    let site = Site::with(&[("protected/slow.bin", &content), ("media/slow.bin", &content)]);
    for path in ["/protected/slow.bin", "/media/slow.bin"] {
        let begin = Instant::now();
        let response = site.get(format!("X-Accel-Limit-Rate: 1000\r\nX-Accel-Redirect: {path}"));
        assert!(response.body == content);
        // The bytes of one second may arrive at once.
        assert!(begin.elapsed() >= Duration::from_secs(1), "{path}: {:?}", begin.elapsed());
        assert_silent(&response);
    }
}

#[test]
fn own_response_is_rate_limited_too() {
    let application = App::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2000\r\n\
                    X-Accel-Limit-Rate: 1000\r\n\r\n";
        [head.as_bytes(), &pattern(2000)].concat()
    });
    let sideman = Settings::before(&application.url()).start();
    let begin = Instant::now();
    let response = sideman.get("/");
    assert!(response.body == pattern(2000));
    assert!(begin.elapsed() >= Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_silent(&response);
    let head = sideman.connect().ask("HEAD", "/", "");
    assert_eq!(head.header("content-length"), Some("2000"));
}

#[test]
fn x_accel_limit_rate_zero_lifts_the_limit_of_a_prefix() {
    // At the limit this would take a minute.
    let content = pattern(64 << 10);
    let slow = |settings: Settings| settings.set("media.rate", "1KiB");
    let site = Site::set(&[("media/a.bin", &content)], slow);
    let response = site.get("X-Accel-Redirect: /media/a.bin\r\nX-Accel-Limit-Rate: 0");
    assert!(response.body == content);
}

#[test]
fn malformed_x_accel_limit_rate_is_ignored() {
    let site = Site::with(&[("protected/b.bin", &pattern(64 << 10))]);
    for limit in ["0", "-1", "fast", "", "1.5", "99999999999999999999999"] {
        let said = format!("X-Accel-Limit-Rate: {limit}\r\nX-Accel-Redirect: /protected/b.bin");
        let response = site.get(said);
        assert_eq!((response.status, response.body.len()), (200, 64 << 10), "{limit:?}");
    }
}

#[test]
fn accel_buffering_no_streams_a_short_response() {
    for value in ["no", "No"] {
        let seen = Gate::new();
        let origin = Origin::script([
            expect("GET / "),
            send(format!(
                "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nX-Accel-Buffering: {value}\r\n\
                 Content-Length: 10\r\n\r\nfirst"
            )),
            wait(&seen),
            send("after"),
            expect("GET /next "),
            send("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nnext"),
        ]);
        let sideman = Settings::before(&origin.url()).set("server.workers", "1").start();
        let mut client = sideman.connect();
        client.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n");
        let begin = client.until("first");
        assert!(!begin.to_lowercase().contains("x-accel"), "{begin}");
        seen.open();
        client.until("after");
        assert_eq!(client.get("/next").text(), "next");
    }
}
