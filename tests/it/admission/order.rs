//! Which queued request is next: the oldest while waits are short, the newest under overload.

use std::time::{Duration, Instant};

use super::{Workers, ask, ask_in_queue, settings};
use crate::support::eventually;

/// The order in which three requests arrive at an application that serves one at a time, and the longest
/// possible time in the queue.
fn order() -> (Vec<String>, Duration) {
    let workers = Workers::start();
    let sideman = settings(&workers, 1).start();
    let _first = ask(&sideman, "/1");
    workers.until(&["/1"]);
    let begin = Instant::now();
    let _others = [ask_in_queue(&sideman, "/2", 1), ask_in_queue(&sideman, "/3", 2)];
    for path in ["/1", "/2", "/3"] {
        workers.finish(path);
    }
    let paths = eventually("three requests", || {
        let paths = workers.paths();
        (paths.len() == 3).then_some(paths)
    });
    (paths, begin.elapsed())
}

#[test]
fn oldest_goes_first_while_waits_are_short() {
    // On a busy machine a wait may not stay short; such an attempt proves nothing.
    let short = |(_, waited): &(_, Duration)| *waited < Duration::from_millis(250);
    let Some((paths, _)) = (0..50).map(|_| order()).find(short) else {
        panic!("fifty times the requests waited for more than 250 ms");
    };
    assert_eq!(paths, ["/1", "/2", "/3"]);
}

#[test]
fn under_overload_the_newest_goes_first() {
    let workers = Workers::start();
    let sideman = settings(&workers, 1).start();
    let mut clients = vec![ask(&sideman, "/1")];
    workers.until(&["/1"]);
    clients.push(ask_in_queue(&sideman, "/2", 1));
    let begin = Instant::now();
    eventually("overload", || (begin.elapsed() > Duration::from_millis(300)).then_some(()));
    clients.push(ask_in_queue(&sideman, "/3", 2));
    clients.push(ask_in_queue(&sideman, "/4", 3));
    for path in ["/1", "/4"] {
        workers.finish(path);
    }
    workers.until(&["/1", "/4", "/3"]);
    for path in ["/3", "/2"] {
        workers.finish(path);
    }
    workers.until(&["/1", "/4", "/3", "/2"]);
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
}
