//! Gathers the writes of h2. h2 flushes each frame by itself. Over TLS that is a record and a system call for nine
//! bytes of a frame header, and others for the payload. Small writes wait here until the connection has had its turn,
//! and are written together.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes that are gathered: two TLS records.
const MAX_GATHERED: usize = 32 * 1024;
/// Writes of this size are passed on at once without a copy, together with the gathered bytes.
const MIN_UNCOPIED: usize = 8 * 1024;
/// The most slices of one write; h2 uses two.
const MAX_SLICES: usize = 8;

/// A byte stream that is shared by its owner and h2.
#[derive(Debug)]
pub(super) struct WriteCoalescer<I>(Rc<RefCell<CoalescedWrites<I>>>);

#[derive(Debug)]
struct CoalescedWrites<I> {
    io: I,
    gathered: BytesMut,
}

// === impl WriteCoalescer ===

impl<I> WriteCoalescer<I> {
    pub(super) fn new(io: I) -> Self {
        Self(Rc::new(RefCell::new(CoalescedWrites { io, gathered: BytesMut::new() })))
    }
}

impl<I> Clone for WriteCoalescer<I> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<I: AsyncWrite + Unpin> WriteCoalescer<I> {
    /// Writes the gathered bytes. Call it whenever h2 has had its turn.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coalesced = &mut *self.0.borrow_mut();
        ready!(coalesced.poll_drain(cx))?;
        Pin::new(&mut coalesced.io).poll_flush(cx)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WriteCoalescer<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for WriteCoalescer<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the owner drains.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coalesced = &mut *self.0.borrow_mut();
        ready!(coalesced.poll_drain(cx))?;
        Pin::new(&mut coalesced.io).poll_shutdown(cx)
    }
}

// === impl CoalescedWrites ===

impl<I: AsyncWrite + Unpin> CoalescedWrites<I> {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if length >= MIN_UNCOPIED {
            return self.poll_write_through(cx, slices);
        }
        if self.gathered.len() + length > MAX_GATHERED {
            ready!(self.poll_drain(cx))?;
        }
        for slice in slices {
            self.gathered.extend_from_slice(slice);
        }
        Poll::Ready(Ok(length))
    }

    /// Writes the gathered bytes and some of the slices at once.
    fn poll_write_through(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut all = [IoSlice::new(&[]); MAX_SLICES];
            let mut count = 0;
            let first = IoSlice::new(&self.gathered);
            for (place, slice) in all.iter_mut().zip([&first].into_iter().chain(slices)) {
                *place = *slice;
                count += 1;
            }
            let all = all.get(..count).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, all))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let gathered = self.gathered.len();
            if written > gathered {
                self.gathered = BytesMut::new();
                return Poll::Ready(Ok(written - gathered));
            }
            self.gathered.advance(written);
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.gathered))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(written);
        }
        // An idle connection holds no memory.
        self.gathered = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::Waker;

    /// Accepts as many bytes as configured, and records each call.
    #[derive(Debug, Default)]
    struct RecordingSink {
        takes: Vec<usize>,
        calls: Vec<usize>,
        received: Vec<u8>,
        is_ended: bool,
    }

    impl AsyncWrite for RecordingSink {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let max = self.takes.pop().unwrap_or(usize::MAX);
            if max == 0 {
                return Poll::Pending;
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let count = bytes.len().min(max);
            self.received.extend(&bytes[..count]);
            self.calls.push(count);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_ended = true;
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn small_frames_are_coalesced() {
        let mut coalescer = WriteCoalescer::new(RecordingSink::default());
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..20 {
            let slices = [IoSlice::new(&[1; 9]), IoSlice::new(&[2; 1000])];
            assert!(Pin::new(&mut coalescer).poll_write_vectored(cx, &slices).is_ready());
            assert!(Pin::new(&mut coalescer).poll_flush(cx).is_ready());
        }
        assert!(coalescer.0.borrow().io.calls.is_empty());
        assert!(coalescer.poll_drain(cx).is_ready());
        assert_eq!(coalescer.0.borrow().io.calls, [20 * 1009]);
    }

    #[test]
    fn a_large_one_takes_those_before_it_along() {
        let mut coalescer = WriteCoalescer::new(RecordingSink::default());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut coalescer).poll_write(cx, &[1; 100]).is_ready());
        let slices = [IoSlice::new(&[2; 9]), IoSlice::new(&[3; 16_384])];
        let written = Pin::new(&mut coalescer).poll_write_vectored(cx, &slices);
        assert!(matches!(written, Poll::Ready(Ok(16_393))));
        assert_eq!(coalescer.0.borrow().io.calls, [16_493]);
    }

    #[test]
    fn coalesced_bytes_are_flushed_before_shutdown() {
        let mut coalescer =
            WriteCoalescer::new(RecordingSink { takes: vec![3, 0], ..RecordingSink::default() });
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut coalescer).poll_write(cx, b"goodbye").is_ready());
        assert!(Pin::new(&mut coalescer).poll_shutdown(cx).is_pending());
        assert!(!coalescer.0.borrow().io.is_ended);
        assert!(Pin::new(&mut coalescer).poll_shutdown(cx).is_ready());
        let coalesced = coalescer.0.borrow();
        assert!(coalesced.io.is_ended);
        assert_eq!(coalesced.io.received, b"goodbye");
    }

    proptest! {
        #[test]
        fn coalesced_bytes_keep_their_order(
            writes in proptest::collection::vec(
                (0..100_usize, prop_oneof![0..2_000_usize, 7_000..20_000_usize], any::<bool>()),
                0..60,
            ),
            takes in proptest::collection::vec(
                prop_oneof![Just(0_usize), 1..5_000_usize, Just(usize::MAX)], 0..80,
            ),
        ) {
            let mut coalescer = WriteCoalescer::new(RecordingSink { takes, ..RecordingSink::default() });
            let cx = &mut Context::from_waker(Waker::noop());
            let mut given = Vec::new();
            for (head, payload, drains) in writes {
                let from = given.len();
                let bytes: Vec<u8> = (from..from + head + payload).map(|i| (i % 251) as u8).collect();
                let mut done = 0;
                // Like h2, offer the bytes that were not accepted again.
                while done < bytes.len() {
                    let middle = head.clamp(done, bytes.len());
                    let slices =
                        [IoSlice::new(&bytes[done..middle]), IoSlice::new(&bytes[middle..])];
                    match Pin::new(&mut coalescer).poll_write_vectored(cx, &slices) {
                        Poll::Ready(written) => done += written.unwrap(),
                        Poll::Pending => {}
                    }
                    prop_assert!(coalescer.0.borrow().gathered.len() <= MAX_GATHERED);
                }
                given.extend(bytes);
                if drains {
                    let _ = coalescer.poll_drain(cx);
                }
            }
            while coalescer.poll_drain(cx).is_pending() {}
            prop_assert_eq!(&coalescer.0.borrow().io.received, &given);
        }
    }
}
