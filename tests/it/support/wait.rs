//! Waiting for a condition with a deadline, and the pace of loops.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

/// The time limit of every wait, far longer than a busy machine needs.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Between two rounds of a loop of requests. Without a pause a fast machine sends the maximum of a connection
/// (`server.max_requests`) within a second or two, and a slow one has no CPU time for anything else.
const PACE: Duration = Duration::from_millis(5);

/// The pause between two rounds of a loop of requests.
pub(crate) fn pace() {
    thread::sleep(PACE);
}

/// Repeats something for this time, at least once, with pauses.
pub(crate) fn repeat_for(time: Duration, mut act: impl FnMut()) {
    let begin = Instant::now();
    loop {
        act();
        pace();
        if begin.elapsed() >= time {
            return;
        }
    }
}

/// Polls until there is a result. Panics with `what` after the time limit.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_within(TIME_LIMIT, what, ask)
}

/// Like `eventually`, with another time limit.
#[track_caller]
pub(crate) fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(response) = ask() {
            return response;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Polls until the result is the expected one. Panics with `what` and the last result.
#[track_caller]
pub(crate) fn eventually_is<T: PartialEq + Debug>(
    what: &str,
    expected: &T,
    mut ask: impl FnMut() -> T,
) {
    let deadline = Instant::now() + TIME_LIMIT;
    loop {
        let response = ask();
        if response == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{what} is {response:?}, and never {expected:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
