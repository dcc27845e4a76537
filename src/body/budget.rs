//! The budgets that all buffered bodies share, one for memory and one for disk. Responses may use only a part of each.
//! The holder of buffered bytes has a reservation, which returns them to the budget when it is dropped.

use std::sync::{Arc, atomic::Ordering};

use super::client_shares::{self, ClientShare, ClientShares};
use crate::sync::AtomicU64;

/// The limit of bytes that may be held at one time, over all workers.
#[derive(Clone, Debug)]
pub struct Budget {
    pot: Arc<BudgetPool>,
    /// The client that reservations count for, if each client is limited too.
    client: Option<ClientShare>,
}

#[derive(Debug)]
struct BudgetPool {
    limit: u64,
    /// The metrics read it as well.
    used: Arc<AtomicU64>,
    /// The budget that this one is a part of.
    whole: Option<Budget>,
    /// The bytes that each client holds.
    shares: Option<ClientShares>,
}

/// The budgets of one kind of bodies.
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
    /// Creates a budget that counts in `used`. Several budgets may share one counter, each with a limit of its own:
    /// each counts what all of them hold.
    pub fn new(limit: u64, used: Arc<AtomicU64>) -> Self {
        Self::of(BudgetPool { limit, used, whole: None, shares: None })
    }

    /// Returns a budget of half the size, for holders that must leave the rest to others. A reservation counts in both
    /// budgets.
    #[must_use]
    pub fn half(&self, used: Arc<AtomicU64>) -> Self {
        let limit = self.limit() / 2;
        Self::of(BudgetPool { limit, used, whole: Some(self.clone()), shares: None })
    }

    /// Returns a budget that limits how much each client may hold; `refused` counts the refusals.
    #[must_use]
    pub fn in_shares(&self, refused: Arc<AtomicU64>) -> Self {
        let BudgetPool { limit, used, whole, .. } = &*self.pot;
        let shares = Some(ClientShares::new(refused));
        Self::of(BudgetPool { limit: *limit, used: Arc::clone(used), whole: whole.clone(), shares })
    }

    fn of(pot: BudgetPool) -> Self {
        Self { pot: Arc::new(pot), client: None }
    }

    /// Returns the budget as this client may use it.
    pub(super) fn of_client(&self, client: ClientShare) -> Self {
        Self { pot: Arc::clone(&self.pot), client: self.pot.shares.as_ref().map(|_| client) }
    }

    /// Returns the limit in bytes.
    pub(super) fn limit(&self) -> u64 {
        let limit = self.pot.limit;
        if self.client.is_some() { client_shares::max(limit) } else { limit }
    }

    /// Returns an empty reservation, which can grow.
    pub fn nothing(&self) -> Reservation {
        Reservation { budget: self.clone(), amount: 0 }
    }

    fn take(&self, amount: u64) -> bool {
        let BudgetPool { limit, used, whole, .. } = &*self.pot;
        let more = |used: u64| used.checked_add(amount).filter(|sum| sum <= limit);
        // The counter holds a sum alone, so no order with other accesses matters.
        let Ok(before) = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) else {
            return false;
        };
        if !self.share_takes(amount, before + amount) {
            used.fetch_sub(amount, Ordering::Relaxed);
            return false;
        }
        let fits = whole.as_ref().is_none_or(|whole| whole.take(amount));
        if !fits {
            self.give_back_own(amount);
        }
        fits
    }

    /// Counts `amount` for the client, if its share allows that; `used` is what all clients hold with it.
    fn share_takes(&self, amount: u64, used: u64) -> bool {
        let share = self.pot.shares.as_ref().zip(self.client);
        share.is_none_or(|(shares, client)| shares.take(client, amount, used, self.pot.limit))
    }

    fn give_back(&self, amount: u64) {
        if amount > 0 {
            if let Some(whole) = &self.pot.whole {
                whole.give_back(amount);
            }
            self.give_back_own(amount);
        }
    }

    fn give_back_own(&self, amount: u64) {
        if let Some((shares, client)) = self.pot.shares.as_ref().zip(self.client) {
            shares.give_back(client, amount);
        }
        self.pot.used.fetch_sub(amount, Ordering::Relaxed);
    }
}

// === impl Reservation ===

impl Reservation {
    /// Returns the bytes that are held.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// Whether `more` bytes could be reserved if nobody else held any.
    pub(super) fn could_ever_grow(&self, more: u64) -> bool {
        self.amount.checked_add(more).is_some_and(|sum| sum <= self.budget.limit())
    }

    /// Reserves more bytes, if the budget has them.
    pub fn grow(&mut self, more: u64) -> bool {
        let fits = more == 0 || self.budget.take(more);
        if fits {
            self.amount += more;
        }
        fits
    }

    /// Returns the bytes beyond `amount` to the budget.
    pub fn shrink_to(&mut self, amount: u64) {
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
    use crate::sync::explore::{ScriptThread, ThreadScript, explore};

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
    fn half_budget_leaves_the_rest_to_others() {
        let (whole, used) = budget(11);
        let of_half = Arc::<AtomicU64>::default();
        let half = whole.half(Arc::clone(&of_half));
        let (mut responses, mut requests) = (half.nothing(), whole.nothing());
        assert!(!responses.grow(6) && responses.grow(5) && !responses.grow(1));
        assert!(!responses.could_ever_grow(1) && requests.could_ever_grow(11));
        assert!(requests.grow(6) && !requests.grow(1));
        assert_eq!((used.load(Ordering::Relaxed), of_half.load(Ordering::Relaxed)), (11, 5));
        responses.shrink_to(2);
        // Others may use the part of the budget that the half does not hold.
        assert!(requests.grow(3) && !responses.grow(1));
        assert_eq!((used.load(Ordering::Relaxed), of_half.load(Ordering::Relaxed)), (11, 2));
        drop((responses, requests));
        assert_eq!((used.load(Ordering::Relaxed), of_half.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn client_over_its_share_cannot_take_the_last_quarter() {
        let (whole, used) = budget(200);
        let (of_half, refused) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        // The limit is a quarter of the half's free bytes.
        let budget = whole.half(Arc::clone(&of_half)).in_shares(Arc::clone(&refused));
        let client = |name| budget.of_client(ClientShare::of(name));
        let (one, other) = (client("one"), client("other"));
        let (mut many, mut few) = (one.nothing(), other.nothing());
        assert!(many.grow(75) && !many.grow(1) && !many.could_ever_grow(1));
        assert!(few.grow(25) && !few.grow(1));
        assert_eq!((of_half.load(Ordering::Relaxed), refused.load(Ordering::Relaxed)), (100, 1));
        // A client that holds much gets more only if a quarter stays free.
        many.shrink_to(50);
        assert!(!many.grow(1) && few.grow(0));
        drop(few);
        assert!(many.grow(25));
        drop(many);
        // A reservation without a client may use all that is left.
        let mut all = budget.nothing();
        assert!(all.grow(100));
        drop(all);
        // A refusal by the whole budget counts for no client.
        let mut rest = whole.nothing();
        assert!(rest.grow(150));
        let mut again = one.nothing();
        assert!(!again.grow(60) && again.grow(50));
        drop((rest, again));
        let mut again = one.nothing();
        assert!(again.grow(75));
        drop(again);
        assert_eq!((of_half.load(Ordering::Relaxed), used.load(Ordering::Relaxed)), (0, 0));
    }

    #[derive(Clone, Debug)]
    enum BudgetStep {
        Begin,
        BeginOfHalf,
        Grow(usize, u64),
        Shrink(usize, u64),
        Drop(usize),
    }

    fn step() -> impl Strategy<Value = BudgetStep> {
        prop_oneof![
            Just(BudgetStep::Begin),
            Just(BudgetStep::BeginOfHalf),
            (0..8_usize, prop_oneof![0..100_u64, Just(u64::MAX)])
                .prop_map(|(i, n)| BudgetStep::Grow(i, n)),
            (0..8_usize, 0..100_u64).prop_map(|(i, n)| BudgetStep::Shrink(i, n)),
            (0..8_usize).prop_map(BudgetStep::Drop),
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
            let is_of_half = |one: &Reservation| one.budget.pot.whole.is_some();
            let sums = |held: &[Reservation]| {
                let of_half = held.iter().filter(|one| is_of_half(one));
                let all = held.iter().map(Reservation::amount).sum::<u64>();
                (all, of_half.map(Reservation::amount).sum::<u64>())
            };
            let mut held: Vec<Reservation> = Vec::new();
            for step in steps {
                let (sum, sum_of_half) = sums(&held);
                match step {
                    BudgetStep::Begin => held.push(budget.nothing()),
                    BudgetStep::BeginOfHalf => held.push(half.nothing()),
                    BudgetStep::Grow(index, more) => {
                        let Some(one) = held.get_mut(index) else { continue };
                        let has = |sum: u64, limit| sum.checked_add(more).is_some_and(|sum| sum <= limit);
                        let fits_half = !is_of_half(one) || has(sum_of_half, limit / 2);
                        let fits = has(sum, limit) && fits_half;
                        prop_assert_eq!(one.grow(more), fits || more == 0);
                    }
                    BudgetStep::Shrink(index, to) => {
                        let Some(one) = held.get_mut(index) else { continue };
                        let before = one.amount();
                        one.shrink_to(to);
                        prop_assert_eq!(one.amount(), before.min(to));
                    }
                    BudgetStep::Drop(index) if index < held.len() => drop(held.swap_remove(index)),
                    BudgetStep::Drop(_) => {}
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

    /// Reserves `amount`, then returns all but `rest` of it, and then the rest.
    fn grow(budget: &Budget, amount: u64, rest: u64) -> ScriptThread {
        let budget = budget.clone();
        Box::new(move || {
            let mut held = budget.nothing();
            if held.grow(amount) {
                assert!(budget.pot.used.load(Ordering::Relaxed) <= budget.pot.limit);
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
            ThreadScript { threads, end }
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
                ThreadScript { threads, end }
            });
        }
    }

    #[test]
    fn shares_are_kept_and_returned_in_any_order() {
        explore("shares", || {
            let (budget, used) = budget(4);
            let budget = budget.in_shares(Arc::default());
            let client = |name| budget.of_client(ClientShare::of(name));
            let (one, other) = (client("one"), client("other"));
            let threads = vec![grow(&one, 2, 1), grow(&one, 2, 0)];
            let end = Box::new(move || {
                assert_eq!(used.load(Ordering::Relaxed), 0);
                // No bytes are held any more: each budget grants what a single client may hold.
                for budget in [&one, &other] {
                    assert!(budget.nothing().grow(3));
                }
            });
            ThreadScript { threads, end }
        });
    }

    #[test]
    fn budget_of_three_is_kept_and_returned_in_any_order() {
        explore("budget of three", || {
            let (budget, used) = budget(2);
            let one = || -> ScriptThread {
                let budget = budget.clone();
                Box::new(move || {
                    let mut held = budget.nothing();
                    held.grow(1);
                })
            };
            let end = Box::new(move || assert_eq!(used.load(Ordering::Relaxed), 0));
            ThreadScript { threads: vec![one(), one(), one()], end }
        });
    }

    #[test]
    fn last_bytes_of_a_budget_go_to_one_of_two_in_any_order() {
        explore("last of a budget", || {
            let (budget, used) = budget(1);
            let kept = Arc::<Mutex<Vec<Reservation>>>::default();
            let one = || -> ScriptThread {
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
            ThreadScript { threads, end: Box::new(end) }
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
