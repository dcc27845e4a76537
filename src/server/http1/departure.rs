//! Detects clients that disconnect while they wait for a response. A client that has closed its side may have
//! disconnected, or may only have nothing more to send. TCP shows no difference until something is sent to it. If a
//! client closes its side during a streamed response (an event stream), it counts as disconnected, as in nginx.
//! Browsers disconnect this way, and a silent stream sends nothing that would show it.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use super::socket::{CONTINUE, ClientSocket};
use crate::body::Deadline;

/// A response within this time is sent without a test for a disconnected client.
const QUICK_RESPONSE: Duration = Duration::from_millis(100);
/// The time after which a disconnected client has most likely reset the connection, once something was sent to it.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// The pause between later looks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes read ahead while a request is answered: they belong to the next requests.
const READ_AHEAD: usize = 16 * 1024;

/// The state of a client that may have closed its side.
#[derive(Debug, Default)]
pub(super) struct DisconnectDetector {
    stage: DisconnectStage,
    /// The time of the next look.
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DisconnectStage {
    #[default]
    NotSuspected,
    /// It has closed its side.
    Suspected,
    /// Something was sent to it, which leads to a reset if it has disconnected.
    Probed,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientWait {
    /// The beginning of a response.
    Response,
    /// The rest of a response.
    More,
    /// The rest of a streamed response.
    Stream,
}

// === impl DisconnectDetector ===

impl DisconnectDetector {
    /// Ready when the client has disconnected. Once the request is complete, it reads what the client sends behind it.
    /// Until then, the reader of the body notices a disconnect.
    pub(super) fn poll(
        &mut self,
        socket: &mut ClientSocket,
        waits: ClientWait,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !socket.is_body_complete() {
            if socket.is_body_held {
                return Poll::Pending;
            }
            socket.discard_abandoned_body(cx);
            if !socket.is_body_complete() && !socket.has_ended {
                return Poll::Pending;
            }
        }
        while !socket.has_ended {
            if socket.input.len() >= READ_AHEAD {
                return Poll::Pending;
            }
            if ready!(socket.poll_fill(cx)).is_err() {
                return Poll::Ready(());
            }
        }
        loop {
            if self.stage == DisconnectStage::NotSuspected {
                if waits == ClientWait::Stream {
                    return Poll::Ready(());
                }
                self.deadline.set(QUICK_RESPONSE);
                self.stage = DisconnectStage::Suspected;
            }
            ready!(self.deadline.poll_expired(cx));
            if socket.stream.check_reset().is_err() {
                return Poll::Ready(());
            }
            // Any HTTP/1.1 client must be able to ignore an interim response (RFC 9110, 15.2), but not within another
            // response.
            if self.stage == DisconnectStage::Suspected
                && waits == ClientWait::Response
                && socket.takes_interim
                && socket.output.is_empty()
            {
                socket.output.extend_from_slice(CONTINUE);
                match socket.poll_write(cx, &[], &[]) {
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(_)) | Poll::Pending => {}
                }
                self.stage = DisconnectStage::Probed;
                self.deadline.set(ROUND_TRIP);
            } else {
                self.deadline.set(CHECK_INTERVAL);
            }
        }
    }
}
