//! Discards the body of a response that a file replaces. The body is read to its end, so that the application's
//! connection can be reused. If the body is too long or too slow, the connection is closed.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use http_body::Body as _;
use tokio::{task::spawn_local, time::timeout};

use crate::body::{self, Body};

/// The maximum number of bytes to read. Opening a connection costs less than reading more.
const MAX_BYTES: u64 = 64 * 1024;
/// The maximum time to read. Many applications announce the file's length and send no body, so no byte would ever come.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Reads and discards a short body. Does not wait: a task of its own reads what has not arrived yet.
pub(in crate::pipeline) async fn discard(body: Body) {
    if body.is_end_stream() || body.size_hint().lower() > MAX_BYTES {
        return;
    }
    let mut rest = Box::pin(body::discard(body, MAX_BYTES));
    // Usually the body came along with the head.
    let is_over = poll_fn(|cx| Poll::Ready(rest.as_mut().poll(cx).is_ready())).await;
    if !is_over {
        // The outcome does not matter: dropping the body closes the connection.
        drop(spawn_local(async { drop(timeout(TIMEOUT, rest).await) }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use bytes::Bytes;
    use http_body::{Frame, SizeHint};
    use std::{cell::Cell, pin::Pin, rc::Rc, task::Context, time::Instant};
    use tokio::{
        sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        task::{LocalSet, yield_now},
    };

    /// What happened to a body.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum DiscardProgress {
        Held,
        Ended,
        Cut,
    }

    struct ScriptedSource {
        frames: UnboundedReceiver<Bytes>,
        length: Option<u64>,
        progress: Rc<Cell<DiscardProgress>>,
    }

    impl http_body::Body for ScriptedSource {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            let polled = self.frames.poll_recv(cx);
            if matches!(polled, Poll::Ready(None)) {
                self.progress.set(DiscardProgress::Ended);
            }
            polled.map(|frame| frame.map(|data| Ok(Frame::data(data))))
        }

        fn size_hint(&self) -> SizeHint {
            self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    impl Drop for ScriptedSource {
        fn drop(&mut self) {
            if self.progress.get() == DiscardProgress::Held {
                self.progress.set(DiscardProgress::Cut);
            }
        }
    }

    fn source(length: Option<u64>) -> (UnboundedSender<Bytes>, Rc<Cell<DiscardProgress>>, Body) {
        let (sender, frames) = unbounded_channel();
        let progress = Rc::new(Cell::new(DiscardProgress::Held));
        (sender, Rc::clone(&progress), Body::stream(ScriptedSource { frames, length, progress }))
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        LocalSet::new().block_on(&runtime, test);
    }

    async fn until_over(progress: &Cell<DiscardProgress>) -> DiscardProgress {
        let begin = Instant::now();
        while progress.get() == DiscardProgress::Held && begin.elapsed() < Duration::from_secs(20) {
            yield_now().await;
        }
        progress.get()
    }

    #[test]
    fn what_is_here_is_read_at_once() {
        run(async {
            for length in [None, Some(MAX_BYTES)] {
                let (sender, progress, body) = source(length);
                for _ in 0..8 {
                    sender.send(Bytes::from(vec![0; 8 * 1024])).unwrap();
                }
                drop(sender);
                discard(body).await;
                assert_eq!(progress.get(), DiscardProgress::Ended, "{length:?}");
            }
        });
    }

    #[test]
    fn short_body_is_drained() {
        run(async {
            let (sender, progress, body) = source(None);
            sender.send(Bytes::from_static(b"first")).unwrap();
            discard(body).await;
            assert_eq!(progress.get(), DiscardProgress::Held);
            sender.send(Bytes::from_static(b"last")).unwrap();
            drop(sender);
            assert_eq!(until_over(&progress).await, DiscardProgress::Ended);
        });
    }

    #[test]
    fn missing_body_is_abandoned() {
        run(async {
            let begin = Instant::now();
            let (_sender, progress, body) = source(Some(100));
            discard(body).await;
            assert_eq!(until_over(&progress).await, DiscardProgress::Cut);
            assert!(begin.elapsed() >= TIMEOUT);
        });
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        run(async {
            let (_sender, progress, body) = source(Some(MAX_BYTES + 1));
            discard(body).await;
            assert_eq!(progress.get(), DiscardProgress::Cut);
            let (sender, progress, body) = source(None);
            for _ in 0..9 {
                sender.send(Bytes::from(vec![0; 8 * 1024])).unwrap();
            }
            discard(body).await;
            assert_eq!(progress.get(), DiscardProgress::Cut);
        });
    }
}
