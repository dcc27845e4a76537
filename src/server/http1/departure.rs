//! Notices clients that have left while they wait for a response. One that has closed its side has left, or has only
//! nothing more to say: TCP shows no difference until it is sent something. A client that does so in the midst of a
//! response that goes on as it comes (an event stream) is taken for one that has left, as nginx does: that is how
//! browsers leave, and a silent stream sends nothing that would show it.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use super::socket::{CONTINUE, ClientSocket};
use crate::body::Deadline;

/// A response within this time is given without asking whether a silent client is still there.
const QUICK: Duration = Duration::from_millis(100);
/// When a client that was sent something has most likely reset the connection, if it has left.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// The pause between two looks after that.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Bytes that are read behind a request while it is answered: requests that come behind it.
const READ_AHEAD: usize = 16 * 1024;

/// What is known of a client that has closed its side.
#[derive(Debug, Default)]
pub(super) struct DisconnectDetector {
    stage: DisconnectStage,
    /// When to look again.
    deadline: Deadline,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DisconnectStage {
    #[default]
    NotSuspected,
    /// It has closed its side.
    Suspected,
    /// It was sent something, which resets the connection if it has left.
    Probed,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientWait {
    /// For a response to begin.
    Response,
    /// For more of one.
    More,
    /// For more of one that goes on as it comes.
    Stream,
}

// === impl DisconnectDetector ===

impl DisconnectDetector {
    /// Ready when the client has left. Reads what the client sends behind its request, once that is complete; as
    /// long as somebody reads the body, that finds out.
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
                self.deadline.set(QUICK);
                self.stage = DisconnectStage::Suspected;
            }
            ready!(self.deadline.poll_expired(cx));
            if socket.stream.check_reset().is_err() {
                return Poll::Ready(());
            }
            // Any client of HTTP/1.1 must be able to skip it (RFC 9110, 15.2), but not within another response.
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
                self.deadline.set(LOOK_AGAIN);
            }
        }
    }
}
