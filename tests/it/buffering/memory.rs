//! The budget limits concurrent bodies, and their memory is returned to the system.

use std::{thread, time::Duration};

use super::before;
use crate::support::{App, Client, eventually, eventually_within, pattern};

const UPLOADS: usize = 100;
const SIZE: usize = 2 << 20;

#[test]
fn concurrent_uploads_stay_within_the_memory_budget() {
    let application =
        App::start(|request| App::reply(format!("{}", request.body == pattern(SIZE)).as_bytes()));
    let sideman = before(&application.url()).set("buffers.memory", "4MiB").start();
    let before = sideman.memory("RssAnon");
    let address = sideman.address();
    let body = pattern(SIZE);
    let mut most = 0;
    // All uploads are in flight before the first is complete.
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
    // The budget, one frame for each upload in hyper and in memory, and thread and allocator overhead: far less than
    // the 200 MiB that were received.
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

#[test]
fn freed_memory_goes_back_to_the_system_while_idle() {
    const BODIES: usize = 200;
    const LENGTH: usize = 200 << 10;
    let application = App::start(|_| App::reply(b"done"));
    let sideman = before(&application.url()).start();
    let body = pattern(LENGTH - 1);
    let at_start = sideman.memory("RssAnon");
    let head = format!("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: {LENGTH}\r\n\r\n");
    let mut clients: Vec<_> = (0..BODIES).map(|_| Client::connect(sideman.address())).collect();
    for client in &mut clients {
        client.send(&head);
        client.send(&body);
    }
    let all = (BODIES * (LENGTH - 1)) as f64;
    let in_memory = || sideman.metric("sideman_buffer_bytes", &[("kind", "memory")]);
    eventually("all of it in memory", || (in_memory() >= all).then_some(()));
    let full = sideman.memory("RssAnon");
    assert!(full > at_start + (all as u64) * 9 / 10, "{at_start} bytes became {full}");
    drop(clients);
    sideman.until_metric("sideman_buffer_bytes", &[("kind", "memory")], 0.0);
    // No other request runs meanwhile. Other processors may be busy with other tests.
    eventually_within(Duration::from_secs(10), "the memory has gone back", || {
        (sideman.memory("RssAnon") < at_start + (6 << 20)).then_some(())
    });
}

#[test]
fn slow_readers_use_little_memory() {
    const READERS: usize = 40;
    // The kernel buffers some megabytes for each client.
    const BODY_LENGTH: usize = 6 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY_LENGTH}\r\n\r\n");
    let response = [head.as_bytes(), &pattern(BODY_LENGTH)].concat();
    let application = App::start(move |_| response.clone());
    let settings = before(&application.url()).set("buffers.memory", "1MiB");
    let sideman = settings.set("upstream.max_in_flight", "4").start();
    let before = sideman.memory("RssAnon");
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut client = Client::connect_with_small_buffer(sideman.address(), 4096);
            client.send("GET /long HTTP/1.1\r\nHost: example.test\r\n\r\n");
            client
        })
        .collect();
    eventually("the application has had all", || {
        let in_flight = sideman.metric("sideman_upstream_in_flight", &[]);
        (application.requests() == READERS && in_flight == 0.0).then_some(())
    });
    // Half of the budget, and for each client 16 KiB in memory beside its task.
    let grown = sideman.memory("RssAnon").saturating_sub(before);
    assert!(grown < (1 << 20) + READERS as u64 * (96 << 10), "grown by {grown}");
    drop(readers);
}
