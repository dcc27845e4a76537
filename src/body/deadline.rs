//! A deadline that can be moved on every read or write without touching the timer wheel.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that can be moved cheaply. The timer below fires at an old deadline, sees that it has moved, and goes
/// back to sleep. So a busy connection needs one timer a period, not one a request.
#[derive(Debug, Default)]
pub struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl Deadline ===

impl Deadline {
    /// Returns the current time of the clock that deadlines use, which a test can stop. A moment for
    /// [`set_at`](Self::set_at) must be computed from it.
    pub fn now() -> std::time::Instant {
        Instant::now().into_std()
    }

    /// Creates a deadline at `duration` from now.
    pub fn after(duration: Duration) -> Self {
        Self { at: Some(Instant::now() + duration), timer: None }
    }

    /// Moves the deadline to `after` from now.
    pub fn set(&mut self, after: Duration) {
        self.at = Some(Instant::now() + after);
    }

    /// Moves the deadline to a moment.
    pub fn set_at(&mut self, at: std::time::Instant) {
        self.at = Some(Instant::from_std(at));
    }

    /// Whether there is a deadline.
    pub fn is_set(&self) -> bool {
        self.at.is_some()
    }

    /// Removes the deadline.
    pub fn clear(&mut self) {
        self.at = None;
    }

    /// Is ready once the deadline has passed. Without a deadline it is never ready.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn fires_at_the_last_moment_set() {
        paused().block_on(async {
            let begin = Instant::now();
            let mut deadline = Deadline::default();
            deadline.set(Duration::from_millis(5));
            poll_fn(|cx| {
                assert!(deadline.poll_expired(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            deadline.set(Duration::from_millis(30));
            poll_fn(|cx| deadline.poll_expired(cx)).await;
            assert!(Instant::now() - begin >= Duration::from_millis(30));
        });
    }

    #[test]
    fn may_be_moved_nearer() {
        paused().block_on(async {
            let mut deadline = Deadline::default();
            deadline.set(Duration::from_secs(3600));
            poll_fn(|cx| {
                assert!(deadline.poll_expired(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            deadline.set(Duration::from_millis(1));
            poll_fn(|cx| deadline.poll_expired(cx)).await;
            deadline.clear();
            poll_fn(|cx| {
                assert!(deadline.poll_expired(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        });
    }
}
