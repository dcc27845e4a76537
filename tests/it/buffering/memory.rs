//! The budget holds however many bodies come at the same time.

use std::thread;

use super::before;
use crate::support::{App, Client, eventually, pattern};

const UPLOADS: usize = 100;
const SIZE: usize = 2 << 20;

#[test]
fn many_uploads_at_once_stay_within_it() {
    let application =
        App::start(|request| App::reply(format!("{}", request.body == pattern(SIZE)).as_bytes()));
    let sideman = before(&application.url()).set("buffers.memory", "4MiB").start();
    let before = sideman.memory("RssAnon");
    let address = sideman.address();
    let body = pattern(SIZE);
    let mut most = 0;
    // All of them are under way before the first is complete.
    let mut clients: Vec<_> = (0..UPLOADS).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
    }
    for piece in body[..SIZE - 1].chunks(256 * 1024) {
        for client in &mut clients {
            client.send(piece);
        }
        most = most.max(sideman.memory("RssAnon"));
    }
    let on_disk = || sideman.metric("sideman_buffer_bytes", &[("kind", "disk")]);
    let all = (UPLOADS * (SIZE - (300 << 10))) as f64;
    eventually("most of it on the disk", || (on_disk() > all).then_some(()));
    most = most.max(sideman.memory("RssAnon"));
    let in_memory = sideman.metric("sideman_buffer_bytes", &[("kind", "memory")]);
    assert!(in_memory <= f64::from(4 << 20), "{in_memory} bytes in memory");
    assert_eq!(application.requests(), 0);
    // The budget, a frame for each in hyper and in hand, what threads and allocator keep: far from
    // the 200 MiB that came.
    let grown = most.saturating_sub(before);
    assert!(grown < 64 << 20, "{before} bytes became {most}");
    thread::scope(|scope| {
        for client in &mut clients {
            let last = &body[SIZE - 1..];
            scope.spawn(move || assert_eq!(client.send(last).response().text(), "true"));
        }
    });
    for kind in ["disk", "memory"] {
        sideman.until_metric("sideman_buffer_bytes", &[("kind", kind)], 0.0);
    }
}
