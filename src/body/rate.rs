//! A body with a rate limit: `X-Accel-Limit-Rate`, and media that is watched while it is downloaded.

use std::{
    num::NonZeroU64,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::deadline::Deadline;
use crate::error::Error;

/// A body with a rate limit. Unused time does not accumulate: over any period, at most the rate's bytes for that period
/// pass, plus one frame.
#[derive(Debug)]
pub(super) struct RateLimitedBody<B> {
    body: B,
    pace: RateLimiter,
    /// Bytes of the inner body that are not passed on yet.
    waiting: Bytes,
    timer: Deadline,
}

/// The arithmetic of the limit.
#[derive(Debug)]
struct RateLimiter {
    /// Bytes a second.
    rate: NonZeroU64,
    /// When all that was sent would have been sent at the rate.
    due: Option<Instant>,
}

/// Frames may be as large as this even if fewer than ten a second pass then.
const MIN_FRAME: u64 = 16 * 1024;

// === impl RateLimitedBody ===

impl<B> RateLimitedBody<B> {
    /// Limits a body to `rate` bytes a second.
    pub(super) fn new(body: B, rate: NonZeroU64) -> Self {
        let pace = RateLimiter { rate, due: None };
        Self { body, pace, waiting: Bytes::new(), timer: Deadline::default() }
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for RateLimitedBody<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        while this.waiting.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.waiting = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = this.waiting.remaining().min(this.pace.max_frame());
        if !this.timer.is_set()
            && let Some(due) = this.pace.delays(Instant::now(), length)
        {
            this.timer.set_at(due);
        }
        if this.timer.is_set() {
            ready!(this.timer.poll_expired(cx));
            this.timer.clear();
        }
        this.pace.charge(Instant::now(), length);
        Poll::Ready(Some(Ok(Frame::data(this.waiting.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (waiting, rest) = (self.waiting.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(waiting));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(waiting)) {
            hint.set_upper(upper);
        }
        hint
    }
}

// === impl RateLimiter ===

impl RateLimiter {
    /// Returns the maximum size of a frame: the bytes of a tenth of a second, so that the rate is even, or `MIN_FRAME`
    /// if that is more. It never exceeds the bytes of a second, so that the client does not time out.
    fn max_frame(&self) -> usize {
        let rate = self.rate.get();
        usize::try_from((rate / 10).max(MIN_FRAME).min(rate)).unwrap_or(usize::MAX)
    }

    /// Returns the moment until which `length` bytes, at most [`max_frame`](Self::max_frame), have to wait. Small
    /// frames may go together, up to the size of one frame, because timers are too coarse to separate them.
    fn delays(&self, now: Instant, length: usize) -> Option<Instant> {
        let due = self.due?;
        let debt = due.saturating_duration_since(now);
        let is_free = debt.is_zero() || debt + self.cost(length) <= self.cost(self.max_frame());
        (!is_free).then_some(due)
    }

    /// Accounts for bytes that are sent.
    fn charge(&mut self, now: Instant, length: usize) {
        let from = self.due.map_or(now, |due| due.max(now));
        self.due = Some(from + self.cost(length));
    }

    /// Returns the time that `length` bytes take, rounded up. At most a second.
    fn cost(&self, length: usize) -> Duration {
        let nanoseconds = (length as u128 * 1_000_000_000).div_ceil(u128::from(self.rate.get()));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use http::HeaderMap;
    use proptest::prelude::*;
    use std::{collections::VecDeque, future::poll_fn};

    const KIB: u64 = 1024;

    fn pace(rate: u64) -> RateLimiter {
        RateLimiter { rate: NonZeroU64::new(rate).unwrap(), due: None }
    }

    #[test]
    fn frames_are_a_tenth_of_a_second() {
        for (rate, max) in [
            (1, 1),
            (1000, 1000),
            (16 * KIB, 16 * 1024),
            (100 * KIB, 16 * 1024),
            (160 * KIB, 16 * 1024),
            (1000 * KIB, 100 * 1024),
            (u64::MAX, usize::try_from(u64::MAX / 10).unwrap()),
        ] {
            assert_eq!(pace(rate).max_frame(), max, "{rate}");
            let cost = pace(rate).cost(max);
            assert!(cost <= Duration::from_secs(1), "{rate}: {cost:?}");
        }
    }

    #[test]
    fn first_frame_is_sent_at_once_and_the_next_after_its_delay() {
        let mut pace = pace(1000 * KIB);
        let (begin, tenth) = (Instant::now(), Duration::from_millis(100));
        let max = pace.max_frame();
        assert_eq!(pace.delays(begin, max), None);
        pace.charge(begin, max);
        assert_eq!(pace.delays(begin, max), Some(begin + tenth));
        assert_eq!(pace.delays(begin, 1), Some(begin + tenth));
        assert_eq!(pace.delays(begin + tenth / 2, max), Some(begin + tenth));
        assert_eq!(pace.delays(begin + tenth / 2, max / 2), None);
        assert_eq!(pace.delays(begin + tenth, max), None);
        pace.charge(begin + tenth, max);
        assert_eq!(pace.delays(begin + tenth, max), Some(begin + tenth * 2));
    }

    #[test]
    fn a_client_that_pauses_does_not_catch_up() {
        let mut pace = pace(1000 * KIB);
        let (begin, max) = (Instant::now(), pace.max_frame());
        pace.charge(begin, max);
        let later = begin + Duration::from_secs(60);
        assert_eq!(pace.delays(later, max), None);
        pace.charge(later, max);
        assert_eq!(pace.delays(later, max), Some(later + Duration::from_millis(100)));
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_rate_and_a_frame(
            rate in 1_u64..10_000_000,
            steps in proptest::collection::vec((0_u64..300_000, 1_usize..200_000), 1..60),
        ) {
            let mut pace = pace(rate);
            let begin = Instant::now();
            let mut now = begin;
            let mut sent: Vec<(Duration, u64)> = Vec::new();
            for (pause, length) in steps {
                now += Duration::from_micros(pause);
                let length = length.min(pace.max_frame());
                if let Some(due) = pace.delays(now, length) {
                    prop_assert!(due > now && due - now <= Duration::from_secs(1));
                    now = due;
                }
                pace.charge(now, length);
                sent.push((now - begin, length as u64));
            }
            for (index, (from, _)) in sent.iter().enumerate() {
                let mut total = 0;
                for (at, length) in &sent[index..] {
                    total += length;
                    let time = (*at - *from).as_nanos();
                    let allowed = u128::from(rate) * time / 1_000_000_000 + pace.max_frame() as u128;
                    prop_assert!(u128::from(total) <= allowed, "{total} of {allowed} in {time} ns");
                }
            }
        }
    }

    /// Frames of a known size.
    #[derive(Debug, Default)]
    struct SizedFrameQueue(VecDeque<Result<Frame<Bytes>, Error>>);

    impl Body for SizedFrameQueue {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(self.0.pop_front())
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            let data = self.0.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
            SizeHint::with_exact(data.map(|data| data.len() as u64).sum())
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    async fn next<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
        poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
    }

    #[test]
    fn large_frames_are_split_and_sent_in_time() {
        let content = Bytes::from((0..100 * 1024).map(|at| (at % 251) as u8).collect::<Vec<_>>());
        let rate = 400 * KIB;
        let frames = SizedFrameQueue([Ok(Frame::data(content.clone()))].into());
        let mut paced = RateLimitedBody::new(frames, NonZeroU64::new(rate).unwrap());
        run(async {
            let (begin, mut received, mut sizes) = (Instant::now(), Vec::new(), Vec::new());
            while !paced.is_end_stream() {
                let left = content.len() - received.len();
                assert_eq!(paced.size_hint().exact(), Some(left as u64));
                let data = next(&mut paced).await.unwrap().unwrap().into_data().unwrap();
                let earliest = Duration::from_secs_f64(received.len() as f64 / rate as f64);
                assert!(
                    begin.elapsed() >= earliest,
                    "{} bytes in {:?}",
                    received.len(),
                    begin.elapsed()
                );
                sizes.push(data.len());
                received.extend_from_slice(&data);
            }
            assert_eq!(sizes, [40 * 1024, 40 * 1024, 20 * 1024]);
            assert!(received == content);
            assert_eq!(paced.size_hint().exact(), Some(0));
            assert!(next(&mut paced).await.is_none());
        });
    }

    #[test]
    fn the_timer_is_made_when_there_is_something_to_wait_for() {
        let frames = [16 * 1024, 16 * 1024].map(|size| Ok(Frame::data(Bytes::from(vec![1; size]))));
        let mut paced = RateLimitedBody::new(
            SizedFrameQueue(frames.into()),
            NonZeroU64::new(100 * KIB).unwrap(),
        );
        run(async {
            assert!(next(&mut paced).await.unwrap().is_ok());
            assert!(!paced.timer.is_set());
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut paced).poll_frame(cx))).await;
            assert!(polled.is_pending() && paced.timer.is_set());
            // The second frame has arrived already, and is counted.
            assert!(!paced.is_end_stream());
            assert_eq!(paced.size_hint().exact(), Some(16 * 1024));
            assert!(next(&mut paced).await.unwrap().is_ok());
            assert!(!paced.timer.is_set() && paced.is_end_stream());
        });
    }

    #[test]
    fn trailers_and_errors_do_not_wait() {
        let frames = [
            Ok(Frame::data(Bytes::new())),
            Ok(Frame::data(Bytes::from_static(b"all of a second"))),
            Ok(Frame::trailers(HeaderMap::new())),
            Err(Error::new(FailureKind::FileChanged)),
        ];
        let mut paced =
            RateLimitedBody::new(SizedFrameQueue(frames.into()), NonZeroU64::new(15).unwrap());
        run(async {
            let data = next(&mut paced).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(data, "all of a second");
            assert!(next(&mut paced).await.unwrap().unwrap().is_trailers());
            assert_eq!(
                next(&mut paced).await.unwrap().unwrap_err().kind(),
                FailureKind::FileChanged
            );
            assert!(!paced.timer.is_set());
        });
    }
}
