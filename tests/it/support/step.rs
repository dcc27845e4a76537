//! The steps of a scripted application on one connection.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::wait::TIME_LIMIT;

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Expect(String),
    Packet,
    Body(Vec<u8>),
    Receive(String),
    Send(Vec<u8>),
    Flood(&'static str, usize),
    Pause(Duration),
    Wait(Gate),
    Open(Gate),
    UntilClosed,
    HalfClose,
    Close,
    Reset,
}

/// Lets one thread wait for another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

/// Reads the head of a request, which begins with this.
pub(crate) fn expect(begin: &str) -> Step {
    Step::Expect(begin.into())
}

/// Reads the variables of a request in the uwsgi protocol, and no byte of its body.
pub(crate) fn packet() -> Step {
    Step::Packet
}

/// Reads the body of the request by its framing; this is what it must be.
pub(crate) fn body(bytes: impl AsRef<[u8]>) -> Step {
    Step::Body(bytes.as_ref().into())
}

/// Reads until this text has arrived, whatever its framing.
pub(crate) fn receive(text: &str) -> Step {
    Step::Receive(text.into())
}

/// Writes these bytes.
pub(crate) fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().into())
}

/// Repeats a text until this many bytes are written or the peer closes: what `send` takes for an error of the script,
/// if the peer refuses before it has read everything.
pub(crate) fn flood(piece: &'static str, most: usize) -> Step {
    Step::Flood(piece, most)
}

/// Pauses.
pub(crate) fn pause(time: Duration) -> Step {
    Step::Pause(time)
}

/// Waits until the test opens the gate.
pub(crate) fn wait(gate: &Gate) -> Step {
    Step::Wait(gate.clone())
}

/// Tells the test that this step was reached.
pub(crate) fn open(gate: &Gate) -> Step {
    Step::Open(gate.clone())
}

/// Reads until the peer closes or resets the connection.
pub(crate) fn until_closed() -> Step {
    Step::UntilClosed
}

/// Closes only the sending direction.
pub(crate) fn half_close() -> Step {
    Step::HalfClose
}

/// Closes the connection.
pub(crate) fn close() -> Step {
    Step::Close
}

/// Closes the connection with a reset.
pub(crate) fn reset() -> Step {
    Step::Reset
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn open(&self) {
        let (is_open, changed) = &*self.0;
        *is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits until the gate is open.
    #[track_caller]
    pub(crate) fn pass(&self) {
        let (is_open, changed) = &*self.0;
        let is_open = is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(is_open, TIME_LIMIT, |is_open| !*is_open);
        let timed_out = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        assert!(!timed_out, "the gate stayed shut for {TIME_LIMIT:?}");
    }
}
