//! Waiting for a condition with a deadline, and the pace of loops.

use std::{
    fmt::Debug,
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails; far more than it takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Between two rounds of a loop of requests. Without a pause a fast machine sends as many in a second
/// or two as one connection may (`server.max_requests`), and a slow one has no time for anything else.
const PACE: Duration = Duration::from_millis(5);

/// The pause between two rounds of a loop of requests.
pub(crate) fn pace() {
    thread::sleep(PACE);
}

/// Does something again and again for so long, at least once, with pauses.
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

/// Asks again until there is an answer. Panics with `what` when patience ends.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask)
}

/// The same for what takes longer.
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

/// Asks again until the answer is this one. Panics with `what` and the last answer.
#[track_caller]
pub(crate) fn eventually_is<T: PartialEq + Debug>(
    what: &str,
    expected: &T,
    mut ask: impl FnMut() -> T,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let response = ask();
        if response == *expected {
            return;
        }
        assert!(Instant::now() < deadline, "{what} is {response:?}, and never {expected:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
