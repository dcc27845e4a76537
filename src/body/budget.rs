//! What all bodies that wait may take together: one budget for memory and one for disk, of which responses may take a
//! part only. Whoever keeps bytes holds a reservation for them, which gives them back when it is dropped.

use std::sync::{Arc, atomic::Ordering};

use crate::sync::AtomicU64;

/// Bytes that may be held at the same time, over all workers.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Pot>);

#[derive(Debug)]
struct Pot {
    limit: u64,
    /// Read by the metrics as well.
    used: Arc<AtomicU64>,
    /// What this is a part of.
    whole: Option<Budget>,
}

/// What bodies of one kind may take together.
#[derive(Clone, Debug)]
pub struct Budgets {
    pub memory: Budget,
    pub disk: Budget,
}

/// A part of a budget, held until dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    amount: u64,
}

// === impl Budget ===

impl Budget {
    /// Counts in `used`. Others may have the same one with a limit of their own: each counts what all of
    /// them hold.
    pub fn new(limit: u64, used: Arc<AtomicU64>) -> Self {
        Self(Arc::new(Pot { limit, used, whole: None }))
    }

    /// A half of this one for those who must leave the rest to others: what they take is taken of both.
    #[must_use]
    pub fn half(&self, used: Arc<AtomicU64>) -> Self {
        let limit = self.limit() / 2;
        Self(Arc::new(Pot { limit, used, whole: Some(self.clone()) }))
    }

    /// Bytes that may be held at the most.
    pub(super) fn limit(&self) -> u64 {
        self.0.limit
    }

    /// A reservation of nothing, to be grown.
    pub fn nothing(&self) -> Reservation {
        Reservation { budget: self.clone(), amount: 0 }
    }

    fn take(&self, amount: u64) -> bool {
        let Pot { limit, used, whole } = &*self.0;
        let more = |used: u64| used.checked_add(amount).filter(|sum| sum <= limit);
        // Only sums are kept in there: nothing else has to be seen in any order.
        let fits = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if fits && whole.as_ref().is_some_and(|whole| !whole.take(amount)) {
            used.fetch_sub(amount, Ordering::Relaxed);
            return false;
        }
        fits
    }

    fn give_back(&self, amount: u64) {
        if amount > 0 {
            let Pot { used, whole, .. } = &*self.0;
            if let Some(whole) = whole {
                whole.give_back(amount);
            }
            used.fetch_sub(amount, Ordering::Relaxed);
        }
    }
}

// === impl Reservation ===

impl Reservation {
    /// Bytes that are held.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Whether so many more could be taken if nobody else held any.
    pub(super) fn may_ever_grow(&self, more: u64) -> bool {
        self.amount.checked_add(more).is_some_and(|sum| sum <= self.budget.limit())
    }

    /// Takes more, if the budget has it.
    pub fn grow(&mut self, more: u64) -> bool {
        let fits = more == 0 || self.budget.take(more);
        if fits {
            self.amount += more;
        }
        fits
    }

    /// Gives back what is held beyond `amount`.
    pub(super) fn shrink_to(&mut self, amount: u64) {
        let surplus = self.amount.saturating_sub(amount);
        self.budget.give_back(surplus);
        self.amount -= surplus;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::sync::explore::{Script, Thread, explore};

    fn budget(limit: u64) -> (Budget, Arc<AtomicU64>) {
        let used = Arc::<AtomicU64>::default();
        (Budget::new(limit, Arc::clone(&used)), used)
    }

    #[test]
    fn the_last_byte_can_be_had_and_no_more() {
        let (budget, used) = budget(10);
        let (mut one, mut other) = (budget.nothing(), budget.nothing());
        assert!(one.grow(4) && other.grow(6));
        assert!(!one.grow(1) && !one.grow(u64::MAX) && one.grow(0));
        assert_eq!((one.amount(), used.load(Ordering::Relaxed)), (4, 10));
        drop(other);
        assert!(one.grow(6));
        drop(one);
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn rest_is_left_to_others_by_those_who_have_a_half() {
        let (whole, used) = budget(11);
        let of_half = Arc::<AtomicU64>::default();
        let half = whole.half(Arc::clone(&of_half));
        let (mut responses, mut requests) = (half.nothing(), whole.nothing());
        assert!(!responses.grow(6) && responses.grow(5) && !responses.grow(1));
        assert!(!responses.may_ever_grow(1) && requests.may_ever_grow(11));
        assert!(requests.grow(6) && !requests.grow(1));
        assert_eq!((used.load(Ordering::Relaxed), of_half.load(Ordering::Relaxed)), (11, 5));
        responses.shrink_to(2);
        // Others may take what a half has not taken.
        assert!(requests.grow(3) && !responses.grow(1));
        assert_eq!((used.load(Ordering::Relaxed), of_half.load(Ordering::Relaxed)), (11, 2));
        drop((responses, requests));
        assert_eq!((used.load(Ordering::Relaxed), of_half.load(Ordering::Relaxed)), (0, 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Begin,
        BeginOfHalf,
        Grow(usize, u64),
        Shrink(usize, u64),
        Drop(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Begin),
            Just(Step::BeginOfHalf),
            (0..8_usize, prop_oneof![0..100_u64, Just(u64::MAX)])
                .prop_map(|(i, n)| Step::Grow(i, n)),
            (0..8_usize, 0..100_u64).prop_map(|(i, n)| Step::Shrink(i, n)),
            (0..8_usize).prop_map(Step::Drop),
        ]
    }

    proptest! {
        #[test]
        fn what_is_used_is_what_is_held(
            limit in 0..300_u64,
            steps in proptest::collection::vec(step(), 0..60),
        ) {
            let (budget, used) = budget(limit);
            let used_of_half = Arc::<AtomicU64>::default();
            let half = budget.half(Arc::clone(&used_of_half));
            let is_of_half = |one: &Reservation| one.budget.0.whole.is_some();
            let sums = |held: &[Reservation]| {
                let of_half = held.iter().filter(|one| is_of_half(one));
                let all = held.iter().map(Reservation::amount).sum::<u64>();
                (all, of_half.map(Reservation::amount).sum::<u64>())
            };
            let mut held: Vec<Reservation> = Vec::new();
            for step in steps {
                let (sum, sum_of_half) = sums(&held);
                match step {
                    Step::Begin => held.push(budget.nothing()),
                    Step::BeginOfHalf => held.push(half.nothing()),
                    Step::Grow(index, more) => {
                        let Some(one) = held.get_mut(index) else { continue };
                        let has = |sum: u64, limit| sum.checked_add(more).is_some_and(|sum| sum <= limit);
                        let fits_half = !is_of_half(one) || has(sum_of_half, limit / 2);
                        let fits = has(sum, limit) && fits_half;
                        prop_assert_eq!(one.grow(more), fits || more == 0);
                    }
                    Step::Shrink(index, to) => {
                        let Some(one) = held.get_mut(index) else { continue };
                        let before = one.amount();
                        one.shrink_to(to);
                        prop_assert_eq!(one.amount(), before.min(to));
                    }
                    Step::Drop(index) if index < held.len() => drop(held.swap_remove(index)),
                    Step::Drop(_) => {}
                }
                let (sum, sum_of_half) = sums(&held);
                prop_assert_eq!(used.load(Ordering::Relaxed), sum);
                prop_assert_eq!(used_of_half.load(Ordering::Relaxed), sum_of_half);
                prop_assert!(sum <= limit && sum_of_half <= limit / 2);
            }
            drop(held);
            prop_assert_eq!(used.load(Ordering::Relaxed), 0);
            prop_assert_eq!(used_of_half.load(Ordering::Relaxed), 0);
        }
    }

    /// Takes so much, and gives back all but `rest` of it before the rest.
    fn grow(budget: &Budget, amount: u64, rest: u64) -> Thread {
        let budget = budget.clone();
        Box::new(move || {
            let mut held = budget.nothing();
            if held.grow(amount) {
                assert!(budget.0.used.load(Ordering::Relaxed) <= budget.limit());
                held.shrink_to(rest);
            } else {
                assert!(!held.grow(budget.limit() + 1), "it never had so much");
            }
        })
    }

    #[test]
    fn budget_is_kept_and_returned_in_any_order() {
        explore("budget", || {
            let (budget, used) = budget(3);
            let threads = vec![grow(&budget, 2, 1), grow(&budget, 2, 0)];
            let end = Box::new(move || assert_eq!(used.load(Ordering::Relaxed), 0));
            Script { threads, end }
        });
    }

    #[test]
    fn half_is_kept_and_returned_in_any_order() {
        for is_other_of_half in [false, true] {
            explore("half of a budget", || {
                let (budget, used) = budget(2);
                let of_half = Arc::<AtomicU64>::default();
                let half = budget.half(Arc::clone(&of_half));
                let other = if is_other_of_half { &half } else { &budget };
                let threads = vec![grow(&half, 1, 0), grow(other, 2, 1)];
                let end = Box::new(move || {
                    assert_eq!(used.load(Ordering::Relaxed), 0);
                    assert_eq!(of_half.load(Ordering::Relaxed), 0);
                });
                Script { threads, end }
            });
        }
    }

    #[test]
    fn budget_of_three_is_kept_and_returned_in_any_order() {
        explore("budget of three", || {
            let (budget, used) = budget(2);
            let one = || -> Thread {
                let budget = budget.clone();
                Box::new(move || {
                    let mut held = budget.nothing();
                    held.grow(1);
                })
            };
            let end = Box::new(move || assert_eq!(used.load(Ordering::Relaxed), 0));
            Script { threads: vec![one(), one(), one()], end }
        });
    }

    #[test]
    fn last_of_a_budget_goes_to_one_of_two_in_any_order() {
        explore("last of a budget", || {
            let (budget, used) = budget(1);
            let kept = Arc::<Mutex<Vec<Reservation>>>::default();
            let one = || -> Thread {
                let (mut held, kept) = (budget.nothing(), Arc::clone(&kept));
                Box::new(move || {
                    held.grow(1);
                    kept.lock().unwrap().push(held);
                })
            };
            let threads = vec![one(), one()];
            let end = move || {
                let amounts = kept.lock().unwrap().iter().map(Reservation::amount).sum();
                assert_eq!((1, used.load(Ordering::Relaxed)), (amounts, 1));
            };
            Script { threads, end: Box::new(end) }
        });
    }

    #[test]
    fn threads_never_take_more_than_there_is() {
        let (budget, used) = budget(100);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for amount in (1..60).cycle().take(20_000) {
                        let mut one = budget.nothing();
                        if one.grow(amount) {
                            assert!(used.load(Ordering::Relaxed) <= 100);
                            one.shrink_to(amount / 2);
                        }
                    }
                });
            }
        });
        assert_eq!(used.load(Ordering::Relaxed), 0);
    }
}
