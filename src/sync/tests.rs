//! `explore` finds what the memory model allows, and nothing else.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::*},
    },
};

use super::{
    AtomicBool, AtomicUsize, Mutex as Lock,
    explore::{Exploration, ScriptThread, ThreadScript, explore, wait},
    oneshot,
};

/// The values that two threads may read, each after its own writes.
fn outcomes(
    one: fn(&[AtomicUsize; 2]) -> usize,
    other: fn(&[AtomicUsize; 2]) -> usize,
) -> BTreeSet<(usize, usize)> {
    let all = Arc::<Mutex<BTreeSet<(usize, usize)>>>::default();
    explore("litmus", || {
        let shared = Arc::<[AtomicUsize; 2]>::default();
        let read = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let thread = |index: usize, body: fn(&[AtomicUsize; 2]) -> usize| -> ScriptThread {
            let (shared, read) = (Arc::clone(&shared), Arc::clone(&read));
            Box::new(move || read[index].store(body(&shared) as u64, SeqCst))
        };
        let all = Arc::clone(&all);
        let threads = vec![thread(0, one), thread(1, other)];
        let end = move || {
            let read = [0, 1].map(|index| read[index].load(SeqCst) as usize);
            all.lock().unwrap().insert(read.into());
        };
        ThreadScript { threads, end: Box::new(end) }
    });
    let all = all.lock().unwrap();
    all.clone()
}

#[test]
fn sequentially_consistent_stores_are_seen_by_one_of_two() {
    let found = outcomes(
        |n| {
            n[0].store(1, SeqCst);
            n[1].load(SeqCst)
        },
        |n| {
            n[1].store(1, SeqCst);
            n[0].load(SeqCst)
        },
    );
    assert_eq!(found, [(0, 1), (1, 0), (1, 1)].into());
}

#[test]
fn weaker_loads_may_miss_both_stores() {
    let relaxed = |n: &[AtomicUsize; 2]| {
        n[0].store(1, SeqCst);
        n[1].load(Relaxed)
    };
    let acquiring = |n: &[AtomicUsize; 2]| {
        n[0].store(1, SeqCst);
        n[1].load(Acquire)
    };
    for one in [relaxed as fn(&[AtomicUsize; 2]) -> usize, acquiring] {
        let found = outcomes(one, |n| {
            n[1].store(1, SeqCst);
            n[0].load(SeqCst)
        });
        assert_eq!(found, [(0, 0), (0, 1), (1, 0), (1, 1)].into());
    }
}

#[test]
fn what_was_released_is_seen_by_who_acquires() {
    let found = outcomes(
        |n| {
            n[0].store(1, Relaxed);
            n[1].store(1, Release);
            0
        },
        |n| 10 * n[1].load(Acquire) + n[0].load(Relaxed),
    );
    assert_eq!(found, [(0, 0), (0, 1), (0, 11)].into());
    let found = outcomes(
        |n| {
            n[0].store(1, Relaxed);
            n[1].store(1, Relaxed);
            0
        },
        |n| 10 * n[1].load(Acquire) + n[0].load(Relaxed),
    );
    assert_eq!(found, [(0, 0), (0, 1), (0, 10), (0, 11)].into());
}

#[test]
fn no_thread_reads_backwards() {
    let found = outcomes(
        |n| {
            n[0].store(1, Relaxed);
            n[0].store(2, Relaxed);
            0
        },
        |n| 10 * n[0].load(Relaxed) + n[0].load(Relaxed),
    );
    assert_eq!(found, [0, 1, 2, 11, 12, 22].map(|read| (0, read)).into());
}

#[test]
fn additions_are_not_lost() {
    let add = |n: &[AtomicUsize; 2]| n[0].fetch_add(1, Relaxed);
    assert_eq!(outcomes(add, add), [(0, 1), (1, 0)].into());
    let slow = |n: &[AtomicUsize; 2]| {
        let now = n[0].load(SeqCst);
        n[0].store(now + 1, SeqCst);
        now
    };
    assert_eq!(outcomes(slow, slow), [(0, 0), (0, 1), (1, 0)].into());
    let update = |n: &[AtomicUsize; 2]| {
        let result = n[0].fetch_update(Relaxed, Relaxed, |now| (now < 1).then_some(now + 1));
        result.map_or(9, |before| before)
    };
    assert_eq!(outcomes(update, update), [(0, 9), (9, 0)].into());
}

#[test]
fn lock_keeps_others_out() {
    let tried = explore("lock", || {
        let lock = Arc::new((Lock::new(()), AtomicBool::new(false)));
        let thread = || -> ScriptThread {
            let lock = Arc::clone(&lock);
            Box::new(move || {
                let _guard = lock.0.lock().unwrap();
                assert!(!lock.1.swap(true, Relaxed));
                assert!(lock.1.swap(false, Relaxed));
            })
        };
        ThreadScript { threads: vec![thread(), thread(), thread()], end: Box::new(|| {}) }
    });
    assert_eq!(tried, Exploration { orders: 6, repeated: 0 });
}

#[test]
fn accesses_that_do_not_affect_each_other_are_tried_in_one_order() {
    let tried = explore("apart", || {
        let thread = || -> ScriptThread {
            let number = AtomicUsize::new(0);
            Box::new(move || {
                (0..5).for_each(|_| {
                    number.fetch_add(1, SeqCst);
                })
            })
        };
        ThreadScript { threads: vec![thread(), thread(), thread()], end: Box::new(|| {}) }
    });
    assert_eq!(tried.orders, 1);
}

#[test]
#[should_panic(expected = "threads [0, 1] wait for ever")]
fn locks_in_two_orders_are_found() {
    explore("two orders", || {
        let locks = Arc::new((Lock::new(0), Lock::new(0)));
        let other = Arc::clone(&locks);
        let one: ScriptThread = Box::new(move || {
            let _first = locks.0.lock();
            let _second = locks.1.lock();
        });
        let other: ScriptThread = Box::new(move || {
            let _first = other.1.lock();
            let _second = other.0.lock();
        });
        ThreadScript { threads: vec![one, other], end: Box::new(|| {}) }
    });
}

#[test]
#[should_panic(expected = "threads [1] wait for ever")]
fn a_receiver_that_nobody_tells_is_found() {
    explore("forgotten", || {
        let (sender, receiver) = oneshot::channel();
        let is_there = Arc::new(AtomicBool::new(false));
        let look = Arc::clone(&is_there);
        let sender = Lock::new(Some(sender));
        let tell: ScriptThread = Box::new(move || {
            let sender = sender.lock().unwrap().take().unwrap();
            match look.load(SeqCst) {
                true => sender.send(1).unwrap(),
                // The value is not visible yet.
                false => drop(Box::leak(Box::new(sender))),
            }
        });
        let waits: ScriptThread = Box::new(move || {
            is_there.swap(true, SeqCst);
            assert_eq!(wait(receiver).unwrap(), 1);
        });
        ThreadScript { threads: vec![tell, waits], end: Box::new(|| {}) }
    });
}

/// Such as one that reads the clock. It would wait for a thread that has ended.
#[test]
#[should_panic(expected = "the script does something else the next time")]
fn script_that_changes_is_a_failure() {
    let runs = AtomicU64::new(0);
    explore("changes", || {
        let others = if runs.fetch_add(1, SeqCst) == 0 { 3 } else { 0 };
        let shared = Arc::<AtomicUsize>::default();
        let writes = |count: usize| -> ScriptThread {
            let shared = Arc::clone(&shared);
            Box::new(move || (0..count).for_each(|value| shared.store(value, SeqCst)))
        };
        ThreadScript { threads: vec![writes(3), writes(others)], end: Box::new(|| ()) }
    });
}
