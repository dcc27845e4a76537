//! Clients that have closed their side: they wait for an answer, or have left, and the end of what they send does
//! not tell which. One that does so in the midst of an answer that goes on as it comes (an event stream, an answer
//! that is not buffered) is taken for one that has left, as nginx does: that is how browsers leave, and a stream
//! that is silent sends nothing that would show it. Who has closed it before gets the stream: its head has shown
//! whether they are there.

use std::{
    io,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::Socket;
use crate::{body::Arrival, pipeline::Departure};

/// An answer within this time is given without asking whether a silent client is still there.
const QUICK_ANSWER: Duration = Duration::from_millis(100);
/// When a client that was sent something has most likely reset the connection, if it has left.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// The pause between two looks after that.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

// === impl Socket ===

impl Socket {
    /// The client sends no more, unless there was no room to read.
    pub(super) fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        has_room: bool,
    ) -> Poll<io::Result<()>> {
        if has_room {
            match self.client.body() {
                // hyper would take the end for a client that has left.
                Some(Arrival::Over) => {
                    self.on_half_close(cx)?;
                    self.client.hide_end();
                    return Poll::Pending;
                }
                Some(Arrival::Coming) => {
                    self.client.on_end_of_body();
                    self.client.hide_end();
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Arrival::Ended) => {
                    self.client.hide_end();
                    return Poll::Pending;
                }
                // A request may have been read and not been handed over yet: hyper reads on first.
                // The next time tells.
                None if self.client.is_first_end() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Arrival::Broken) | None => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The client has closed its side and waits for an answer. If that takes long it is sent an
    /// interim answer, which any client of HTTP/1.1 must be able to skip (RFC 9110, 15.2): one that
    /// has left resets the connection. The connection's timer brings it here again. Fails if the
    /// client has left.
    fn on_half_close(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let now = Instant::now();
        self.client.set_departure(match self.client.departure() {
            Departure::None if self.client.streams() => {
                let why = "the client has left a stream";
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, why));
            }
            Departure::None => Departure::Suspected(now + QUICK_ANSWER),
            Departure::Suspected(at) | Departure::Probed(at) if now < at => return Ok(()),
            // Nothing may be put in the middle of another answer.
            Departure::Suspected(_)
                if self.is_amid
                    || !self.client.takes_interim()
                    || self.client.interim().is_some() =>
            {
                // What has come of that answer would have been answered with a reset.
                self.check_reset()?;
                Departure::Suspected(now + LOOK_AGAIN)
            }
            Departure::Suspected(_) => match self.stream.try_write(cx, INTERIM) {
                Ok(written) => {
                    self.client.set_interim(INTERIM.get(written..).unwrap_or_default());
                    Departure::Probed(now + ROUND_TRIP)
                }
                // A full buffer was not read for long: the next look may be luckier.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Departure::Suspected(now + LOOK_AGAIN)
                }
                Err(error) => return Err(error),
            },
            Departure::Probed(_) => {
                self.check_reset()?;
                Departure::Probed(now + LOOK_AGAIN)
            }
        });
        Ok(())
    }

    /// Fails if the client has reset the connection. Linux goes on to tell the reader of the orderly end that came
    /// before.
    fn check_reset(&self) -> io::Result<()> {
        self.stream.transport().take_error()?.map_or(Ok(()), Err)
    }
}
