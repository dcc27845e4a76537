//! Compression has limits of time and of memory. Beyond them responses go out as they are.

use super::{application, page};
use crate::support::Settings;

#[test]
fn without_time_responses_are_not_compressed() {
    let application = application();
    let sideman = Settings::before(&application.url())
        .set("server.workers", "1")
        .set("compression.max_cpu", "1%")
        .start();
    let mut client = sideman.connect();
    let mut compressed = 0;
    let last = (0..10_000).find_map(|_| {
        let response = client.ask("GET", "/", "Accept-Encoding: br\r\n");
        compressed += u32::from(response.header("content-encoding").is_some());
        response.header("content-encoding").is_none().then_some(response)
    });
    let last = last.expect("ten thousand pages take more than a hundredth of the time");
    assert!(compressed > 0);
    assert_eq!((last.text(), last.header("vary")), (page(), Some("Accept-Encoding")));
    sideman.until_metric("sideman_uncompressed_responses_total", &[("reason", "cpu")], 1.0);
}

#[test]
fn without_memory_responses_are_not_compressed() {
    let application = application();
    // Responses may use half of it, and an encoder of brotli takes 2 MiB.
    let sideman = Settings::before(&application.url()).set("buffers.memory", "3MiB").start();
    let mut client = sideman.connect();
    let response = client.ask("GET", "/", "Accept-Encoding: br\r\n");
    assert_eq!((response.header("content-encoding"), response.text()), (None, page()));
    sideman.until_metric("sideman_uncompressed_responses_total", &[("reason", "memory")], 1.0);
    let response = client.ask("GET", "/", "Accept-Encoding: gzip\r\n");
    assert_eq!(response.header("content-encoding"), Some("gzip"));
}
