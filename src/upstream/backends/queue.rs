//! The queue of requests that wait for a permit, and their order. While waits are short, the oldest request goes first.
//! When the oldest has waited too long, the newest goes first (adaptive LIFO). Under overload some requests will time
//! out; newest-first limits which.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// While no request has waited longer than this, the oldest goes first.
pub(super) const SHORT_WAIT: Duration = Duration::from_millis(250);

/// Waiting requests, oldest first. `T` is the sender that notifies a request.
#[derive(Debug)]
pub(super) struct WaitQueue<T> {
    waiters: VecDeque<Waiter<T>>,
    next: u64,
}

#[derive(Debug)]
struct Waiter<T> {
    waiter_id: WaiterId,
    since: Instant,
    permit_sender: T,
}

/// The identifier of a queued request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaiterId(u64);

// === impl WaitQueue ===

impl<T> WaitQueue<T> {
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Returns since when the oldest request waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiters.front().map(|waiter| waiter.since)
    }

    /// Adds a request that waits since `since`, behind all requests that have waited longer.
    pub(super) fn push(&mut self, since: Instant, permit_sender: T) -> WaiterId {
        let waiter_id = WaiterId(self.next);
        self.next += 1;
        let place = self.waiters.partition_point(|waiter| waiter.since <= since);
        self.waiters.insert(place, Waiter { waiter_id, since, permit_sender });
        waiter_id
    }

    /// Removes the request whose turn it is: the first one that `is_below_share`, or the first of all if none is. Also
    /// returns whether it overtook another one.
    pub(super) fn pop(
        &mut self,
        now: Instant,
        is_below_share: impl Fn(&T) -> bool,
    ) -> Option<(T, bool)> {
        let oldest = self.waiters.front()?;
        let is_overloaded = now.saturating_duration_since(oldest.since) > SHORT_WAIT;
        let is_below_share = |waiter: &Waiter<T>| is_below_share(&waiter.permit_sender);
        let (first, found) = if is_overloaded {
            (self.waiters.len() - 1, self.waiters.iter().rposition(is_below_share))
        } else {
            (0, self.waiters.iter().position(is_below_share))
        };
        let next = found.unwrap_or(first);
        let waiter = self.waiters.remove(next)?;
        Some((waiter.permit_sender, next != first))
    }

    /// Removes a request that no longer waits. Returns `false` if it was not in the queue.
    pub(super) fn remove(&mut self, waiter_id: WaiterId) -> bool {
        let place = self.waiters.iter().position(|waiter| waiter.waiter_id == waiter_id);
        place.and_then(|place| self.waiters.remove(place)).is_some()
    }

    /// Removes all requests.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.waiters.drain(..).map(|waiter| waiter.permit_sender)
    }
}

impl<T> Default for WaitQueue<T> {
    fn default() -> Self {
        Self { waiters: VecDeque::new(), next: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pop<T>(queue: &mut WaitQueue<T>, now: Instant) -> Option<T> {
        queue.pop(now, |_| true).map(|(next, _)| next)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn oldest_first_while_waits_are_short() {
        let (mut queue, begin) = (WaitQueue::default(), Instant::now());
        for name in 0..3 {
            queue.push(begin + ms(name), name);
        }
        let now = begin + ms(250);
        assert_eq!(
            [
                pop(&mut queue, now),
                pop(&mut queue, now),
                pop(&mut queue, now),
                pop(&mut queue, now)
            ],
            [Some(0), Some(1), Some(2), None]
        );
    }

    #[test]
    fn newest_first_when_the_oldest_has_waited_too_long() {
        let (mut queue, begin) = (WaitQueue::default(), Instant::now());
        for name in 0..3 {
            queue.push(begin + ms(name * 100), name);
        }
        assert_eq!(pop(&mut queue, begin + ms(251)), Some(2));
        assert_eq!(pop(&mut queue, begin + ms(251)), Some(1));
        queue.push(begin + ms(260), 9);
        assert_eq!(pop(&mut queue, begin + ms(261)), Some(9));
        assert_eq!(pop(&mut queue, begin + ms(261)), Some(0));
    }

    #[test]
    fn retried_request_keeps_its_queue_position() {
        let (mut queue, begin) = (WaitQueue::default(), Instant::now());
        queue.push(begin + ms(1), 1);
        queue.push(begin + ms(2), 2);
        queue.push(begin, 0);
        assert_eq!(pop(&mut queue, begin + ms(3)), Some(0));
        assert_eq!(pop(&mut queue, begin + ms(3)), Some(1));
    }

    #[test]
    fn request_of_a_client_below_its_share_overtakes_others() {
        let (mut queue, begin) = (WaitQueue::default(), Instant::now());
        for (name, at) in (0_u64..).zip(["a", "b", "a", "b"]) {
            queue.push(begin + ms(name), (at, name));
        }
        let is_b = |(client, _): &(&str, u64)| *client == "b";
        let now = begin + ms(10);
        assert_eq!(queue.pop(now, is_b), Some((("b", 1), true)));
        assert_eq!(queue.pop(now, |_| true), Some((("a", 0), false)));
        // Under overload the newest is first.
        queue.push(begin + ms(4), ("a", 4));
        let late = begin + ms(500);
        assert_eq!(queue.pop(late, is_b), Some((("b", 3), true)));
        assert_eq!(queue.pop(late, is_b), Some((("a", 4), false)));
        assert_eq!(queue.pop(late, is_b), Some((("a", 2), false)));
        assert_eq!(queue.pop(late, is_b), None);
    }

    proptest! {
        /// In every order of events, each request is notified exactly once, or was removed.
        #[test]
        fn no_queued_request_is_lost(steps in prop::collection::vec((0..3_u8, 0..500_u64), 0..200)) {
            let (mut queue, begin) = (WaitQueue::default(), Instant::now());
            let (mut now, mut here, mut tickets) = (begin, Vec::new(), Vec::new());
            for (index, (step, pause)) in steps.into_iter().enumerate() {
                now += ms(pause);
                match step {
                    0 => {
                        tickets.push((queue.push(now, index), index));
                        here.push(index);
                    }
                    1 => {
                        let next = pop(&mut queue, now);
                        prop_assert_eq!(next.is_some(), !here.is_empty());
                        if let Some(next) = next {
                            prop_assert!(here.contains(&next));
                            here.retain(|name| *name != next);
                        }
                    }
                    _ => {
                        let Some((waiter_id, name)) = tickets.pop() else { continue };
                        prop_assert_eq!(queue.remove(waiter_id), here.contains(&name));
                        here.retain(|other| *other != name);
                    }
                }
                prop_assert_eq!(queue.len(), here.len());
            }
        }
    }
}
