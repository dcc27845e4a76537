//! Chooses the next thread of a run, and records the orders that are still to be tried.
//!
//! If orders differ only in independent accesses, only one of them is tried. Another thread is preferred only where one
//! of its later accesses affects the access that was made (Flanagan and Godefroid: Dynamic partial-order reduction,
//! 2005). It is not preferred again where it was tried already (sleep sets).

use std::{mem, panic::Location};

/// Maximum number of threads of a script.
pub(crate) const MAX_THREADS: usize = 4;

/// Scripts must not depend on randomness or time.
const DIFFERENT: &str = "the script does something else the next time";

/// For each thread, the number of accesses before a moment.
pub(super) type VectorClock = [u32; MAX_THREADS];

/// The next access of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Begin,
    Read(usize),
    Write(usize),
    Lock(usize),
    Unlock(usize),
    /// Locks, copies and unlocks.
    Copy(usize),
    /// Sleeps until its waker is called.
    Park,
}

#[derive(Default)]
pub(super) struct AccessOrder {
    pub(super) threads: Vec<ThreadProgress>,
    pub(super) running: Option<usize>,
    /// The decisions so far, and the decisions of the previous run that are to be repeated.
    pub(super) path: Vec<OrderDecision>,
    /// The number of decisions made.
    pub(super) made: usize,
    /// Threads whose next access was tried instead of an earlier one, and was not affected since.
    pub(super) asleep: Vec<usize>,
    /// All continuations were tried in another order: the run continues to its end without decisions.
    pub(super) is_repeated: bool,
    pub(super) locked: Vec<usize>,
    pub(super) failure: Option<String>,
    pub(super) events: Vec<AccessEvent>,
}

/// An access that was made.
pub(super) struct AccessEvent {
    thread: usize,
    access: Access,
    location: &'static Location<'static>,
    /// For each thread, the accesses that came before because they affect this one, directly or indirectly.
    pub(super) after: VectorClock,
    /// The decision that led to it.
    decision: Option<usize>,
}

pub(super) struct ThreadProgress {
    pub(super) next: Option<Access>,
    pub(super) is_woken: bool,
    pub(super) clock: VectorClock,
    pub(super) after: VectorClock,
}

pub(super) enum OrderDecision {
    /// Threads in `ready` could have continued. Threads in `of` are to be tried; more are added as they turn out to
    /// matter.
    Thread {
        ready: Vec<usize>,
        of: Vec<usize>,
        index: usize,
        asleep: Vec<usize>,
    },
    Value {
        of: usize,
        index: usize,
    },
}

// === impl AccessOrder ===

impl AccessOrder {
    /// Chooses the next thread, or ends the run. `running` has stopped, and may continue.
    pub(super) fn pass_on(&mut self, running: Option<usize>) {
        self.running = None;
        let mut ready: Vec<usize> =
            (0..self.threads.len()).filter(|&thread| self.can_go_on(thread)).collect();
        if ready.is_empty() {
            let stuck = (0..self.threads.len()).filter(|&thread| self.next(thread).is_some());
            let stuck: Vec<usize> = stuck.collect();
            if !stuck.is_empty() {
                self.failure = Some(format!("threads {stuck:?} wait for ever"));
            }
            return;
        }
        // An access that other threads can neither see nor prevent needs no decision.
        let is_quiet =
            |access| matches!(access, Some(Access::Begin | Access::Unlock(_) | Access::Park));
        if let Some(&thread) = ready.iter().find(|&&thread| is_quiet(self.next(thread))) {
            self.running = Some(thread);
            return;
        }
        // Continuing is cheaper than waking another thread.
        if let Some(place) = ready.iter().position(|&thread| Some(thread) == running) {
            ready.swap(0, place);
        }
        if !self.is_repeated && self.made == self.path.len() {
            let asleep = mem::take(&mut self.asleep);
            match ready.iter().find(|thread| !asleep.contains(thread)) {
                None => self.is_repeated = true,
                Some(&first) => {
                    let of = vec![first];
                    self.path.push(OrderDecision::Thread {
                        ready: ready.clone(),
                        of,
                        index: 0,
                        asleep,
                    });
                }
            }
        }
        if self.is_repeated {
            self.running = Some(ready[0]);
            return;
        }
        let OrderDecision::Thread { of, index, asleep, .. } = &self.path[self.made] else {
            panic!("{DIFFERENT}")
        };
        let chosen = of[*index];
        if !ready.contains(&chosen) {
            // Nobody would run, and the run would never end.
            self.failure = Some(DIFFERENT.to_owned());
            return;
        }
        let others = asleep.iter().chain(&of[..*index]).copied();
        let next = self.next(chosen);
        let is_affected = |other| self.next(other).zip(next).is_some_and(|(a, b)| affect(a, b));
        self.asleep = others.filter(|&other| !is_affected(other)).collect();
        self.made += 1;
        self.running = Some(chosen);
    }

    /// Schedules another order if a thread's next access could have come before the last one that it affects.
    pub(super) fn look_back(&mut self, thread: usize) {
        let Some(next) = self.next(thread) else { return };
        let after = self.threads[thread].after;
        let is_race = |event: &AccessEvent| {
            event.after[event.thread] > after[event.thread] && affect(event.access, next)
        };
        if let Some(place) = self.events.iter().rposition(is_race) {
            self.prefer(thread, place);
        }
    }

    /// Schedules a thread to be tried instead of the one that made an access.
    fn prefer(&mut self, thread: usize, place: usize) {
        let Some(decision) = self.events[place].decision else { return };
        let OrderDecision::Thread { ready, of, asleep, .. } = &mut self.path[decision] else {
            return;
        };
        let is_ready = ready.contains(&thread);
        for other in ready {
            let is_wanted = !is_ready || *other == thread;
            if is_wanted && !of.contains(other) && !asleep.contains(other) {
                of.push(*other);
            }
        }
    }

    /// Records an access.
    pub(super) fn made(
        &mut self,
        thread: usize,
        access: Access,
        location: &'static Location<'static>,
    ) {
        let mut after = self.threads[thread].after;
        after[thread] += 1;
        for event in &self.events {
            if affect(event.access, access) || is_unlocked(event.access, access) {
                join(&mut after, &event.after);
            }
        }
        self.threads[thread].after = after;
        let is_quiet = matches!(access, Access::Begin | Access::Unlock(_) | Access::Park);
        // The last decision for a thread was for this access.
        let decision = if is_quiet || self.is_repeated { None } else { self.made.checked_sub(1) };
        self.events.push(AccessEvent { thread, access, location, after, decision });
        for other in 0..self.threads.len() {
            let before = self.threads[other].after[thread];
            let next = self.next(other).filter(|_| other != thread && after[thread] > before);
            if next.is_some_and(|next| affect(access, next)) {
                self.prefer(other, self.events.len() - 1);
            }
        }
    }

    pub(super) fn choose(&mut self, of: usize) -> usize {
        if self.is_repeated {
            return of - 1;
        }
        if self.made == self.path.len() {
            self.path.push(OrderDecision::Value { of, index: 0 });
        }
        let decision = &self.path[self.made];
        self.made += 1;
        match decision {
            OrderDecision::Value { index, of: before } if *before == of => of - 1 - *index,
            OrderDecision::Value { .. } | OrderDecision::Thread { .. } => panic!("{DIFFERENT}"),
        }
    }

    fn next(&self, thread: usize) -> Option<Access> {
        self.threads[thread].next
    }

    fn can_go_on(&self, thread: usize) -> bool {
        match self.next(thread) {
            None => false,
            Some(Access::Park) => self.threads[thread].is_woken,
            Some(Access::Lock(lock) | Access::Copy(lock)) => !self.locked.contains(&lock),
            Some(_) => true,
        }
    }

    pub(super) fn show_events(&self) -> String {
        let mut names = Vec::new();
        let mut name = |address: usize| {
            names.iter().position(|known| *known == address).unwrap_or_else(|| {
                names.push(address);
                names.len() - 1
            })
        };
        let mut text = String::new();
        for AccessEvent { thread, access, location, .. } in &self.events {
            let what = match access {
                Access::Begin => "begins".to_owned(),
                Access::Read(address) => format!("reads {}", name(*address)),
                Access::Write(address) => format!("writes {}", name(*address)),
                Access::Lock(address) => format!("locks {}", name(*address)),
                Access::Unlock(address) => format!("unlocks {}", name(*address)),
                Access::Copy(address) => format!("copies {}", name(*address)),
                Access::Park => "is woken".to_owned(),
            };
            text += &format!("  {thread} {what} at {location}\n");
        }
        text
    }
}

/// Returns whether the order of two accesses matters.
fn affect(one: Access, other: Access) -> bool {
    match (one, other) {
        (Access::Read(a), Access::Write(b))
        | (Access::Write(a), Access::Read(b) | Access::Write(b))
        | (Access::Lock(a), Access::Lock(b) | Access::Copy(b))
        | (Access::Copy(a), Access::Lock(b)) => a == b,
        _ => false,
    }
}

/// Returns whether the first access makes the second one possible.
fn is_unlocked(first: Access, second: Access) -> bool {
    match (first, second) {
        (Access::Unlock(a), Access::Lock(b) | Access::Copy(b)) => a == b,
        _ => false,
    }
}

/// Returns the later of both, for each thread.
pub(super) fn join(clock: &mut VectorClock, other: &VectorClock) {
    for (mine, theirs) in clock.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

/// Changes the decisions to those of the next run. Returns `false` if there is none.
pub(super) fn another(path: &mut Vec<OrderDecision>) -> bool {
    while let Some(last) = path.last_mut() {
        let (index, of) = match last {
            OrderDecision::Thread { index, of, .. } => (index, of.len()),
            OrderDecision::Value { index, of } => (index, *of),
        };
        if *index + 1 < of {
            *index += 1;
            return true;
        }
        path.pop();
    }
    false
}
