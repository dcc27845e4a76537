//! What a client of HTTP/2 with prior knowledge begins with (RFC 9113, 3.4). hyper's HTTP/1.1 knows it only if all of it
//! comes at once, and refuses what looks like a request in a strange version otherwise: so nothing is handed
//! over that could still become one.

use std::{
    io,
    task::{Poll, ready},
};

use tokio::io::ReadBuf;

/// It stands for no request of any version.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How a connection has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// With so many bytes of the preface, if with any at all.
    Held(usize),
    Http1,
    Http2,
}

// === impl Opening ===

impl Opening {
    /// Reads until it is known. What was held back comes first then, and what it is long is given.
    pub(super) fn poll_read(
        &mut self,
        buffer: &mut ReadBuf<'_>,
        mut read: impl FnMut(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        let Self::Held(held) = *self else {
            return read(buffer).map_ok(|()| 0);
        };
        // It is known what it was.
        let known = PREFACE.get(..held).unwrap_or_default();
        buffer.put_slice(known.get(..buffer.remaining()).unwrap_or(known));
        let polled = read(buffer);
        if !matches!(polled, Poll::Ready(Ok(()))) {
            buffer.set_filled(before);
        }
        ready!(polled)?;
        let come = buffer.filled().get(before..).unwrap_or_default();
        if come.len() > held && come.len() < PREFACE.len() && PREFACE.starts_with(come) {
            *self = Self::Held(come.len());
            buffer.set_filled(before);
        } else {
            *self = if come.starts_with(PREFACE) { Self::Http2 } else { Self::Http1 };
        }
        Poll::Ready(Ok(held))
    }

    /// How much is held back.
    pub(super) fn held(self) -> usize {
        if let Self::Held(held) = self { held } else { 0 }
    }
}
